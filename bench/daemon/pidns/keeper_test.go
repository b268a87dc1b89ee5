package pidns

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/machine"
	"zombench/measure"
)

// A kept is a program that runs under inits that keep.
type kept struct {
	*Keeper
	cmd    *exec.Cmd
	exited chan struct{}
	stdin  io.Closer
	stderr *strings.Builder // valid after exited
}

// keepSh starts a shell script under inits that keep. Its standard input stays
// open until the test ends or closes it.
func keepSh(t *testing.T, levels int, script string) *kept {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: pid namespaces")
	}
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	machine.Shared(t)
	cmd := exec.Command(path, "-c", script)
	k := &kept{cmd: cmd, exited: make(chan struct{}), stderr: new(strings.Builder)}
	cmd.Stderr = k.stderr
	if k.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if k.Keeper, err = Keep(cmd, levels); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Close()
		skipIfForbidden(t, err)
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(k.exited)
	}()
	t.Cleanup(func() {
		k.Keeper.Close() // which a test may have done
		<-k.exited
		k.stdin.Close()
	})
	if err := k.Await(t.Context(), measure.Host(), cmd.Process.Pid, k.exited); err != nil {
		t.Fatal(err)
	}
	return k
}

// zombies counts the zombies among the children of the innermost init.
func (k *kept) zombies(t *testing.T) (n int) {
	t.Helper()
	children, err := measure.Host().Children(k.pids[len(k.pids)-1])
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range children {
		if p, err := measure.Host().Process(pid); err == nil && p.Zombie() {
			n++
		}
	}
	return n
}

// bereave waits until the program has left so many orphans to the innermost init,
// and has them end.
func (k *kept) bereave(t *testing.T, orphans int) {
	t.Helper()
	await(t, "orphans", func() bool {
		children, err := measure.Host().Children(k.pids[len(k.pids)-1])
		return err == nil && len(children) == 1+orphans
	})
	k.stdin.Close()
	await(t, "their end", func() bool { return k.zombies(t) >= orphans })
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// leaves7 leaves seven orphans that live until standard input ends: a shell may
// wait for those that end before itself.
const leaves7 = `sh -c 'for i in 1 2 3 4 5 6 7; do (read x <&3) & done' 3<&0; exec sleep 1000`

// Zombies that fall to the innermost init stay until they are collected.
func TestKeeper(t *testing.T) {
	for _, levels := range []int{1, 2} {
		k := keepSh(t, levels, leaves7)
		if len(k.pids) != levels || k.pids[0] != k.cmd.Process.Pid {
			t.Errorf("%d levels: inits %v of the command %d", levels, k.pids, k.cmd.Process.Pid)
		}
		k.bereave(t, 7)
		tasks, err := k.Tasks()
		if err != nil || tasks < levels {
			t.Errorf("%d levels: %d tasks of inits (%v)", levels, tasks, err)
		}
		for range 3 { // nobody reaps meanwhile, and no thread comes or goes
			time.Sleep(20 * time.Millisecond)
			again, err := k.Tasks()
			if n := k.zombies(t); n != 7 || again != tasks || err != nil {
				t.Fatalf("%d levels: %d zombies and %d tasks, and there were 7 and %d (%v)", levels, n, again, tasks, err)
			}
		}
		if _, ended, err := k.Ended(t.Context()); ended || err != nil {
			t.Errorf("%d levels: the program has ended (%v)", levels, err)
		}
		for _, step := range []struct{ n, want, left int }{{2, 2, 5}, {0, 0, 5}, {100, 5, 0}, {1, 0, 0}} {
			n, err := k.Collect(t.Context(), step.n)
			if left := k.zombies(t); n != step.want || left != step.left || err != nil {
				t.Errorf("%d levels: of %d %d were collected and %d are left (%v), want %d and %d", levels, step.n, n, left, err, step.want, step.left)
			}
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-k.exited:
		case <-time.After(time.Minute):
			t.Fatalf("%d levels: the inits outlive their keeper", levels)
		}
	}
}

// The control: the init of Wrap reaps what falls to it, so a zombie that stays is
// the keeper's work.
func TestPlainInitReaps(t *testing.T) {
	cmd := nested(t, 1, "sh", "-c", leaves7)
	machine.Shared(t)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		skipIfForbidden(t, err)
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	children := func(n int) func() bool {
		return func() bool {
			children, err := measure.Host().Children(cmd.Process.Pid)
			return err == nil && len(children) == n
		}
	}
	await(t, "the program and its orphans", children(1+7))
	stdin.Close()
	await(t, "the program alone", children(1))
}

// How the program ended is known, as often as one asks, and its own zombie is
// none of those that it left.
func TestKeeperTellsHowTheProgramEnded(t *testing.T) {
	for _, tt := range []struct {
		script   string
		exit     int // -1: by SIGTERM
		orphans  int
		complain string
	}{
		{"exit 0", 0, 0, ""},
		{"sh -c '(read x <&3) &' 3<&0; exit 5", 5, 1, ""},
		{"kill -TERM $$", -1, 0, ""},
		{"exec zombench-no-such-program", 127, 0, "not found"},
	} {
		k := keepSh(t, 1, tt.script)
		k.bereave(t, tt.orphans)
		await(t, "the program's end", func() bool { return k.zombies(t) == 1+tt.orphans })
		for range 2 {
			status, ended, err := k.Ended(t.Context())
			if !ended || err != nil || status.ExitStatus() != tt.exit || status.Signaled() != (tt.exit < 0) {
				t.Errorf("%q: ended %v, status %#x, error %v", tt.script, ended, status, err)
			}
		}
		if n, err := k.Collect(t.Context(), 100); n != tt.orphans || err != nil {
			t.Errorf("%q: left %d zombies besides itself (%v), want %d", tt.script, n, err, tt.orphans)
		}
		k.Close()
		<-k.exited
		if said := k.stderr.String(); !strings.Contains(said, tt.complain) {
			t.Errorf("%q: said %q", tt.script, said)
		}
	}
}

func TestKeeperKnowsItsInits(t *testing.T) {
	k := keepSh(t, 2, "read x")
	program, err := Find(t.Context(), measure.Host(), k.cmd.Process.Pid, 2, k.exited)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Without(append([]int{program}, k.pids...)); !slices.Equal(got, []int{program}) {
		t.Errorf("besides the inits %v there are %v, want %d", k.pids, got, program)
	}
}

// Whoever waits for an init does so no longer than his context lasts, or the
// init.
func TestKeeperGivesUp(t *testing.T) {
	k := keepSh(t, 1, leaves7)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if n, err := k.Collect(ctx, 1); n != 0 || !errors.Is(err, enough) {
		t.Errorf("%d collected, error %v; want %v", n, err, enough)
	}

	k = keepSh(t, 1, "read x")
	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-k.exited
	if _, err := k.Collect(t.Context(), 1); err == nil {
		t.Error("a dead init collects")
	}
	if _, _, err := k.Ended(t.Context()); err == nil {
		t.Error("a dead init tells how its program ended")
	}
}

func TestKeeperRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"1"}, {"many", "true", "true"}, {"2", "true", "true"}} {
		var stderr strings.Builder
		if status := keep(&stderr, args); status != failed || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
	}
}
