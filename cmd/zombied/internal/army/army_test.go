package army

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"zombench/measure"

	"golang.org/x/sys/unix"
)

// recruit makes an army, which is reaped at the end of the test at the latest.
func recruit(t *testing.T, cfg Config) *Army {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Reap()
		a.Close()
	})
	return a
}

func spawnerNamed(t *testing.T, name string) Spawner {
	t.Helper()
	s, err := NewSpawner(name, func() (string, error) { return exec.LookPath("true") })
	if err != nil {
		t.Skip(err)
	}
	return s
}

// children counts those of this process in the kernel's books.
func children(t *testing.T) (zombies, living int) {
	t.Helper()
	children, err := measure.Host().Children(unix.Getpid())
	if err != nil {
		t.Skip(err)
	}
	for _, pid := range children {
		p, err := measure.Host().Process(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist): // collected meanwhile
		case err != nil:
			t.Errorf("child %d: %v", pid, err)
		case p.Zombie():
			zombies++
		default:
			living++
		}
	}
	return zombies, living
}

func TestRaiseAndReap(t *testing.T) {
	for _, name := range SpawnerNames() {
		for _, tt := range []struct{ count, parallel int }{{0, 1}, {1, 1}, {300, 1}, {300, 50}, {3, 50}} {
			t.Run(fmt.Sprintf("%s/%d/%d", name, tt.count, tt.parallel), func(t *testing.T) {
				a := recruit(t, Config{Count: tt.count, Parallel: tt.parallel, Spawner: spawnerNamed(t, name)})
				stand := func(when string, want int) {
					if zombies, living := children(t); zombies != want || living != 0 {
						t.Errorf("%s: %d zombies and %d living children, want %d zombies", when, zombies, living, want)
					}
				}
				stand("before", 0)
				for range 2 { // an army can be raised again
					if r := a.Raise(t.Context()); r.Err != nil || r.Standing != tt.count || r.Failed != 0 {
						t.Errorf("raised %+v", r)
					}
					stand("raised", tt.count)
					if r := a.Reap(); r.Exited != tt.count || r.Killed+r.Dumped+r.Lost != 0 {
						t.Errorf("reaped %+v", r)
					}
					stand("reaped", 0)
				}
			})
		}
	}
}

// A mixedSpawner lets some of its children do something else than end.
type mixedSpawner struct {
	Spawner
	n     atomic.Int64
	other map[int64]func() (int, error) // by the number of the child, from 1, those of the warm-up included
}

func (s *mixedSpawner) Spawn(pids []int32) (int, error) {
	return oneByOne(pids, func() (int, error) {
		if f := s.other[s.n.Add(1)]; f != nil {
			return f()
		}
		return one(s.Spawner)
	})
}

// one starts one child.
func one(s Spawner) (int, error) {
	var pid [1]int32
	_, err := s.Spawn(pid[:])
	return int(pid[0]), err
}

// sleeper starts a child that does not end, and tells its pid.
func sleeper(t *testing.T, born chan<- int) func() (int, error) {
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	return func() (int, error) {
		pid, err := syscall.ForkExec(path, []string{"sleep", "1000"}, &syscall.ProcAttr{})
		if err == nil {
			born <- pid
		}
		return pid, err
	}
}

func TestHowChildrenEnd(t *testing.T) {
	const count, parallel = 20, 4
	born := make(chan int, 1)
	for _, tt := range []struct {
		name    string
		end     func(*Army, int) error
		want    Reaped
		signals int
	}{
		{"killed by somebody else", func(_ *Army, pid int) error { return unix.Kill(pid, unix.SIGKILL) },
			Reaped{Exited: count - 1, Killed: 1}, 0},
		{"killed by the program", func(a *Army, pid int) error { return a.Signal(pid, unix.SIGKILL) },
			Reaped{Exited: count - 1, Killed: 1}, 1},
	} {
		s := &mixedSpawner{Spawner: spawnerNamed(t, "exec"), other: map[int64]func() (int, error){parallel + 7: sleeper(t, born)}}
		a := recruit(t, Config{Count: count, Parallel: parallel, Spawner: s})
		raised := make(chan Raised)
		go func() { raised <- a.Raise(t.Context()) }()
		pid := <-born
		select {
		case r := <-raised:
			t.Errorf("%s: raised %+v while a child lives", tt.name, r)
		default:
		}
		if err := tt.end(a, pid); err != nil {
			t.Fatal(err)
		}
		if r := <-raised; r.Err != nil || r.Standing != count {
			t.Errorf("%s: raised %+v", tt.name, r)
		}
		r := a.Reap()
		r.Elapsed = 0
		if r != tt.want {
			t.Errorf("%s: reaped %+v, want %+v", tt.name, r, tt.want)
		}
		if n := a.Signals(); n != tt.signals {
			t.Errorf("%s: %d signals counted, want %d", tt.name, n, tt.signals)
		}
	}
}

func TestLostChildren(t *testing.T) {
	a := recruit(t, Config{Count: 10, Parallel: 2, Spawner: spawnerNamed(t, "exec")})
	a.Raise(t.Context())
	if _, err := unix.Wait4(-1, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if r := a.Reap(); r.Exited != 9 || r.Lost != 1 {
		t.Errorf("reaped %+v, want 9 exited and 1 lost", r)
	}
}

func TestFailureStopsTheRaise(t *testing.T) {
	const count, parallel, good = 100, 4, 30
	s := &mixedSpawner{Spawner: spawnerNamed(t, "exec"), other: map[int64]func() (int, error){}}
	for n := range int64(count) {
		s.other[parallel+good+1+n] = func() (int, error) { return 0, unix.EAGAIN }
	}
	a := recruit(t, Config{Count: count, Parallel: parallel, Spawner: s})
	r := a.Raise(t.Context())
	if !errors.Is(r.Err, unix.EAGAIN) || r.Standing != good || r.Failed < 1 || r.Failed > parallel {
		t.Errorf("raised %+v, want %d standing and at most one failure a thread", r, good)
	}
	if zombies, living := children(t); zombies != good || living != 0 {
		t.Errorf("%d zombies and %d living children stand, want %d", zombies, living, good)
	}
	if r := a.Reap(); r.Exited != good {
		t.Errorf("reaped %+v", r)
	}
}

func TestCancel(t *testing.T) {
	const count, parallel = 10000, 2
	ctx, cancel := context.WithCancel(t.Context())
	s := &mixedSpawner{Spawner: spawnerNamed(t, "exec"), other: map[int64]func() (int, error){}}
	s.other[parallel+50] = func() (int, error) {
		cancel()
		<-ctx.Done()
		return one(s.Spawner)
	}
	a := recruit(t, Config{Count: count, Parallel: parallel, Spawner: s})
	r := a.Raise(ctx)
	if !errors.Is(r.Err, context.Canceled) || r.Standing < 50 || r.Standing >= count/2 {
		t.Errorf("raised %+v, want some more than 50", r)
	}
	if zombies, _ := children(t); zombies != r.Standing {
		t.Errorf("%d zombies stand, but %d were reported", zombies, r.Standing)
	}
}

// A crowdSpawner looks, before it starts a child, how many live.
type crowdSpawner struct {
	Spawner
	t    *testing.T
	mu   sync.Mutex
	most int
}

func (s *crowdSpawner) Spawn(pids []int32) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, living := children(s.t); living+len(pids) > s.most {
		s.most = living + len(pids)
	}
	return s.Spawner.Spawn(pids)
}

func TestConcurrencyIsBounded(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		s := &crowdSpawner{Spawner: spawnerNamed(t, "exec"), t: t}
		a := recruit(t, Config{Count: 30, Parallel: parallel, Spawner: s})
		a.Raise(t.Context())
		if s.most > parallel {
			t.Errorf("%d children lived at the same time, want at most %d", s.most, parallel)
		}
	}
}

func TestChildSignalIsPutBack(t *testing.T) {
	var before, during, after sigaction
	read := func(into *sigaction) {
		if err := rtSigaction(unix.SIGCHLD, nil, into); err != nil {
			t.Fatal(err)
		}
	}
	read(&before)
	restore := ignoreChildSignals()
	read(&during)
	restore()
	read(&after)
	if before == during {
		t.Error("the disposition of SIGCHLD did not change")
	}
	if before != after {
		t.Errorf("SIGCHLD was not put back: %x, had been %x", after, before)
	}
	if before == (sigaction{}) {
		t.Error("SIGCHLD was at its default from the beginning: the test proves nothing")
	}
}

func TestUnknownSpawner(t *testing.T) {
	if _, err := NewSpawner("fork-bomb", nil); err == nil {
		t.Error("fork-bomb can be made")
	}
	if !slices.Contains(SpawnerNames(), "exec") {
		t.Error("exec is unknown")
	}
}

func TestNoProgram(t *testing.T) {
	none := func() (string, error) { return "", exec.ErrNotFound }
	for _, name := range SpawnerNames() {
		if _, err := NewSpawner(name, none); Executes(name) != errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%s, which executes a program (%t): %v", name, Executes(name), err)
		}
	}
}
