package cgroup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

func TestFresh(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	if n, err := c.Pids().Current(); err != nil || n != 0 {
		t.Errorf("a fresh cgroup has %d tasks, %v", n, err)
	}
	// Who can open the directory can lock it, and let us wait.
	for _, dir := range c.Dirs() {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o044 != 0 {
			t.Errorf("others may open %s: %v, %v", dir, info.Mode(), err)
		}
	}
	if mem, ok := c.Memory(); ok {
		if _, err := mem.KernelMemory(); err != nil {
			t.Error(err)
		}
	} else if p.NoMemory() == nil {
		t.Error("no memory accounting, and no reason")
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(filepath.Base(c.dirs[0].path), Prefix), "-")
	if _, err := p.Fresh(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same again: got %v, want fs.ErrExist", err)
	}
	if !exists(c.dirs[0].path) {
		t.Error("the second try has removed the first's cgroup")
	}
	for _, bad := range []string{"", "a/b"} {
		if _, err := p.Fresh(bad); err == nil {
			t.Errorf("Fresh(%q) succeeded", bad)
		}
	}
	if err := c.Remove(expired()); err != nil {
		t.Fatal(err)
	}
	for _, d := range c.dirs {
		if exists(d.path) {
			t.Errorf("%s is still there", d.path)
		}
	}
	if err := c.Start(exec.Command("/bin/true")); err == nil {
		t.Error("started something in a removed cgroup")
	}
}

func TestStart(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	a := play(t, c.Start, "member")
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(a.Process.Pid), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(c.dirs[0].path)
	if n := strings.Count(string(b), "/"+name+"\n"); n != len(c.dirs) {
		t.Errorf("the child is in %d of %d hierarchies:\n%s", n, len(c.dirs), b)
	}
	if procs, err := c.Procs(); err != nil || !slices.Equal(procs, []int{a.Process.Pid}) {
		t.Errorf("procs %v, %v; want %d alone", procs, err, a.Process.Pid)
	}
	if n, err := c.Pids().Current(); err != nil || n == 0 {
		t.Errorf("pids.current is %d, %v", n, err)
	}
	a.stop()
	if n, err := c.Pids().Current(); err != nil || n != 0 {
		t.Errorf("pids.current is %d after the end, %v", n, err)
	}
}

// What a program allocates before it could be attached from outside must be
// charged: a program that is attached late is the control.
func TestStartChargesFirstAllocations(t *testing.T) {
	p := realPlace(t)
	if p.NoMemory() != nil {
		t.Skip("needs the memory controller: ", p.NoMemory())
	}
	usage := func(start func(c *Cgroup) *actor) uint64 {
		c := fresh(t, p)
		a := start(c)
		mem, _ := c.Memory()
		n, err := mem.Usage()
		if err != nil {
			t.Fatal(err)
		}
		a.stop()
		if err := c.Remove(context.Background()); err != nil {
			t.Fatal(err)
		}
		return n
	}
	inside := usage(func(c *Cgroup) *actor { return play(t, c.Start, "member") })
	late := usage(func(c *Cgroup) *actor {
		a := play(t, plainly, "member")
		for _, d := range c.dirs {
			if err := write(filepath.Join(d.path, "cgroup.procs"), strconv.Itoa(a.Process.Pid)); err != nil {
				t.Fatal(err)
			}
		}
		return a
	})
	t.Logf("charged: %d bytes when started inside, %d when attached", inside, late)
	if inside == 0 || late > inside/2 {
		t.Errorf("charged %d bytes when started inside, %d when attached late", inside, late)
	}
}

func TestStartLeavesTheCallerOutside(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	name := filepath.Base(c.dirs[0].path)
	if c.dirs[0].version == 1 {
		// The check must see a thread that is inside.
		runtime.LockOSThread()
		if err := c.enter(); err != nil {
			t.Fatal(err)
		}
		if in := tasksIn(t, name); len(in) != 1 {
			t.Errorf("one thread is inside, seen are %v", in)
		}
		if err := c.leave(); err != nil {
			t.Fatal(err)
		}
		runtime.UnlockOSThread()
	}
	// Threads are born while others are inside.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				cmd := exec.Command("/bin/true")
				if err := c.Start(cmd); err != nil {
					t.Error(err)
					return
				}
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if in := tasksIn(t, name); len(in) > 0 {
		t.Errorf("threads %v of this process are in the cgroup", in)
	}
	if n, err := c.Pids().Current(); err != nil || n != 0 {
		t.Errorf("pids.current is %d, %v", n, err)
	}
}

func TestStartFails(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	if err := c.Start(exec.Command("/nonexistent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if in := tasksIn(t, filepath.Base(c.dirs[0].path)); len(in) > 0 {
		t.Errorf("threads %v of this process are in the cgroup", in)
	}
}

// A thread that can't get out must not be used again: it has to end, or the
// cgroup could never be removed.
func TestStartWithoutWayBack(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	if c.dirs[0].version != 1 {
		t.Skip("threads enter cgroups of version 1 only")
	}
	for i := range c.dirs {
		c.dirs[i].own = "/nonexistent"
	}
	a := play(t, c.Start, "member")
	if procs, err := c.Procs(); err != nil || !slices.Contains(procs, a.Process.Pid) {
		t.Errorf("procs %v, %v; want %d among them", procs, err, a.Process.Pid)
	}
	a.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Remove(ctx); err != nil {
		t.Error(err)
	}
}

func TestOnThreadKeepsOffTheMainThread(t *testing.T) {
	for range 100 {
		err := onThread(func() error {
			if unix.Gettid() == os.Getpid() {
				return errors.New("on the main thread")
			}
			return nil // locked: the thread ends
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemoveBusy(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	a := play(t, c.Start, "member")
	err := c.Remove(expired())
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), strconv.Itoa(a.Process.Pid)) {
		t.Errorf("got %v, want EBUSY and the pid %d", err, a.Process.Pid)
	}
	a.stop()
	if err := c.Remove(context.Background()); err != nil {
		t.Error(err)
	}
}

// One directory that can't be removed must not save the other.
func TestRemoveGoesOn(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	if len(c.dirs) < 2 {
		t.Skip("pids and memory are in one hierarchy here")
	}
	cmd := exec.Command("/bin/cat") // lives in one of them
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { stdin.Close(); _ = cmd.Wait() })
	defer end()
	if err := os.WriteFile(filepath.Join(c.dirs[0].path, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(expired()); !errors.Is(err, unix.EBUSY) {
		t.Errorf("got %v, want EBUSY", err)
	}
	if exists(c.dirs[1].path) {
		t.Errorf("%s is still there", c.dirs[1].path)
	}
	// What was made below goes with it, once nobody lives there.
	sub := filepath.Join(c.dirs[0].path, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	end()
	if err := c.Remove(context.Background()); err != nil || exists(c.dirs[0].path) {
		t.Errorf("%v; %s is there: %v", err, c.dirs[0].path, exists(c.dirs[0].path))
	}
}

func TestRemoveHoldingAZombie(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	cmd := exec.Command("/bin/true")
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Pids().Current(); err != nil || n != 1 {
		t.Errorf("pids.current is %d, %v; want the zombie", n, err)
	}
	if procs, err := c.Procs(); err != nil || len(procs) != 0 {
		t.Errorf("procs %v, %v; want none", procs, err)
	}
	if err := c.Remove(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestFindInACgroupOfOnesOwn(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	a := play(t, c.Start, "tenant")
	a.stop()
	checkTenant(t, c, a)
}

// Version 1 does not care; on version 2 a cgroup that is shared can't have
// children, and the next one up is ours.
func TestFindInASharedCgroup(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	play(t, c.Start, "member")
	a := play(t, c.Start, "tenant")
	if len(a.Parents) != len(c.dirs) {
		t.Fatalf("found %+v (%s %s)", a.Parents, a.Kind, a.After)
	}
	for i, d := range c.dirs {
		want := d.path
		if d.version == 2 {
			want = filepath.Dir(d.path)
		}
		if got := a.Parents[i]; got.Dir != want || got.Leaf {
			t.Errorf("found %+v, want %s and no leaf", got, want)
		}
	}
}

func TestFindAsAUserWithADelegatedCgroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to delegate")
	}
	p := realPlace(t)
	c := fresh(t, p)
	for _, d := range c.dirs {
		for _, f := range []string{".", "cgroup.procs", "tasks", "cgroup.subtree_control"} {
			if err := os.Chown(filepath.Join(d.path, f), 65534, 65534); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	a := play(t, c.Start, "tenant", asNobody)
	a.stop()
	checkTenant(t, c, a)
}

func checkTenant(t *testing.T, c *Cgroup, a *actor) {
	t.Helper()
	if !a.ProcessState.Success() {
		t.Fatal(a.ProcessState)
	}
	if len(a.Parents) != len(c.dirs) {
		t.Fatalf("found %+v (%s %s), want the %d directories of its cgroup", a.Parents, a.Kind, a.After, len(c.dirs))
	}
	for i, d := range c.dirs {
		if got := a.Parents[i]; got.Dir != d.path || got.Leaf != (d.version == 2) {
			t.Errorf("found %+v, want %s, with a leaf on version 2 only", got, d.path)
		}
		if exists(a.Dirs[i]) || exists(filepath.Join(d.path, leafName)) {
			t.Errorf("something is left in %s", d.path)
		}
		if d.version == 2 {
			if !strings.Contains(a.Inside, "/"+leafName+"\n") {
				t.Errorf("was not in a leaf:\n%s", a.Inside)
			}
			if left, err := words(filepath.Join(d.path, "cgroup.subtree_control")); err != nil || len(left) > 0 {
				t.Errorf("still handed down: %v, %v", left, err)
			}
		}
	}
	name := filepath.Base(c.dirs[0].path)
	if n := strings.Count(a.After, "/"+name+"\n"); n != len(c.dirs) {
		t.Errorf("is back in %d of %d hierarchies:\n%s", n, len(c.dirs), a.After)
	}
}

func TestFindAsAUserWithout(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become nobody")
	}
	realPlace(t)
	a := play(t, plainly, "tenant", asNobody)
	if a.Kind != "not permitted" {
		t.Fatalf("nobody found %+v", a.story)
	}
	if !strings.Contains(a.After, "run as root") && !strings.Contains(a.After, "systemd-run") {
		t.Errorf("no remedy: %s", a.After)
	}
}

func TestSweep(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	a := play(t, c.Start, "crasher")
	var parents []string
	for _, p := range a.Parents {
		parents = append(parents, p.Dir)
	}

	// What belongs to somebody alive is left alone.
	if removed, err := Sweep(context.Background(), parents); err != nil || len(removed) > 0 {
		t.Fatalf("swept away what is in use: %v, %v", removed, err)
	}
	if err := AwaitExit(expired(), time.Minute, parents); err != nil {
		t.Errorf("waits for what is in use: %v", err)
	}

	if err := a.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	a.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	AwaitRelease(ctx, parents)
	left, err := Leftovers(parents)
	if err != nil || !slices.Equal(left, a.Dirs) {
		t.Fatalf("leftovers %v, %v; want %v", left, err, a.Dirs)
	}
	if err := AwaitExit(expired(), time.Minute, parents); !errors.Is(err, context.Canceled) {
		t.Errorf("does not wait for the living: %v", err)
	}
	if removed, err := Sweep(ctx, parents, os.Getpid()); err != nil || len(removed) > 0 {
		t.Errorf("swept away what another process made: %v, %v", removed, err)
	}
	removed, err := Sweep(ctx, parents)
	if err != nil || !slices.Equal(removed, a.Dirs) {
		t.Errorf("removed %v, %v; want %v", removed, err, a.Dirs)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(a.PID, &ws, 0, nil); err != nil || !ws.Signaled() {
		t.Errorf("who lived there ended with %v, %v; want a signal", ws, err)
	}
	for _, p := range a.Parents {
		if err := p.Restore(); err != nil {
			t.Error(err)
		}
		if err := p.Restore(); err != nil {
			t.Errorf("a second time: %v", err)
		}
	}
}

func TestLeftoversOfADirectoryThatIsGone(t *testing.T) {
	if left, err := Leftovers([]string{filepath.Join(t.TempDir(), "gone")}); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v", left, err)
	}
}

func TestMakerOf(t *testing.T) {
	for name, want := range map[string]int{
		"zombench-12-x": 12, "zombench-12-x-13": 12, "zombench-12-": 12,
		"zombench-self": 0, "zombench-12": 0, "zombench-x-12": 0, "zombench--1-x": 0, "other-12-x": 0, "": 0,
	} {
		if pid, ok := makerOf(name); ok != (want > 0) || ok && pid != want {
			t.Errorf("%q: %d, %v; want %d", name, pid, ok, want)
		}
	}
}

func TestProcsMalformed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("12\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := procs(dir); !errors.Is(err, measure.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// A cgroup that joins further hierarchies has programs there too that are started
// later, and is removed from them with the rest.
func TestJoin(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	groups, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	join := func(h measure.Hierarchy, err error) {
		if err != nil {
			t.Log(err)
			return
		}
		dir, err := c.Join(h)
		if err != nil || !exists(dir) {
			t.Fatalf("joining %s: %s, %v", h.Dir(), dir, err)
		}
		if again, err := c.Join(h); err != nil || again != dir {
			t.Errorf("joining %s again: %s, %v", h.Dir(), again, err)
		}
		dirs = append(dirs, dir)
	}
	join(groups.Unified())
	join(groups.Controller("freezer"))
	join(groups.Controller(pids))
	if pids := c.Pids().Dir; dirs[len(dirs)-1] != pids {
		t.Errorf("the hierarchy of pids was joined already: %s, want %s", dirs[len(dirs)-1], pids)
	}
	a := play(t, c.Start, "member")
	for _, dir := range dirs {
		if live, err := procs(dir); err != nil || !slices.Equal(live, []int{a.Process.Pid}) {
			t.Errorf("in %s live %v, %v; want %d", dir, live, err, a.Process.Pid)
		}
	}
	a.stop()
	if err := c.Remove(expired()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if exists(dir) {
			t.Errorf("%s is still there", dir)
		}
	}
}

// What a zombie is charged shows in memory.stat at once when it is flushed. Without
// a flush it does not, at least once: the control. In version 1 it shows without.
func TestFlush(t *testing.T) {
	p := realPlace(t)
	c := fresh(t, p)
	memcg, ok := c.Memory()
	if !ok {
		t.Skip("needs the memory controller: ", p.NoMemory())
	}
	release, err := measure.Host().Release()
	if err != nil {
		t.Fatal(err)
	}
	kernel := func() uint64 {
		t.Helper()
		k, err := memcg.KernelMemory()
		if err != nil {
			t.Fatal(err)
		}
		return k.Bytes
	}
	flush := func() uint64 {
		t.Helper()
		if err := memcg.Flush(release); memcg.Version == 2 && err != nil || memcg.Version == 1 && !errors.Is(err, measure.ErrNotSupported) {
			t.Fatal(err)
		}
		return kernel()
	}
	a := play(t, c.Start, "mother")
	grew, lagged := 0, 0 // rounds; what RCU frees late, or the kernel's own flush, may spoil one
	for range 5 {
		before := flush()
		a.order()
		stale := kernel()
		fresh := flush()
		if fresh >= before+4096 { // its task_struct alone is twice as large
			grew++
		}
		if stale < fresh {
			lagged++
		}
		t.Logf("%d B, with a zombie %d B, flushed %d B", before, stale, fresh)
	}
	if grew < 3 {
		t.Errorf("of 5 zombies %d are charged after a flush, want most", grew)
	}
	if memcg.Version == 2 && lagged == 0 {
		t.Error("without a flush readings are as good")
	}
}
