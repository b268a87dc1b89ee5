package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/results/report/host"
)

// A camp is a zombied that is held in a cgroup of its own.
type camp struct {
	t      *testing.T
	group  *cgroup.Cgroup
	daemon *daemon.Daemon
}

// pitch holds a zombied with --force in a fresh cgroup. If uid is not 0 it runs
// as that user, with so many processes at most.
func pitch(t *testing.T, zombied string, count, parallel int, uid uint32, nproc uint64) *camp {
	t.Helper()
	place, err := cgroup.Find(measure.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := place.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &camp{t: t}
	if c.group, err = place.Fresh(strings.NewReplacer("/", "-", " ", "-").Replace(strings.ToLower(filepath.Base(t.Name())))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.group.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	start := func(cmd *exec.Cmd) error {
		cmd.Dir = "/"
		if uid == 0 {
			return c.group.Start(cmd)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		// It inherits the limit, which does not bind root.
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
			return err
		}
		lower := unix.Rlimit{Cur: nproc, Max: limit.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &lower); err != nil {
			return err
		}
		return errors.Join(c.group.Start(cmd), unix.Setrlimit(unix.RLIMIT_NPROC, &limit))
	}
	c.daemon, err = daemon.Start(t.Context(), start, daemon.Options{
		Binary: zombied, Count: count, Parallel: parallel, Spawn: "exec", Args: []string{"--force"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if _, err := c.daemon.Reap(ctx, nil); err != nil {
			t.Error(err)
		}
		if err := c.daemon.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// ask runs zombench limits as a program of its own and returns the limit that
// it says will break first.
func (c *camp) ask(args ...string) host.LimitRecord {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "zombench", append([]string{"limits", "--format", "json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	var answer struct{ Limits []host.LimitRecord }
	if err := json.Unmarshal(out, &answer); err != nil {
		c.t.Fatal(err)
	}
	if len(answer.Limits) == 0 || answer.Limits[0].Fits == nil {
		c.t.Fatalf("no limit is predicted:\n%s", out)
	}
	return answer.Limits[0]
}

// raise raises the army and returns how it ended.
func (c *camp) raise() daemon.Report {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r, err := c.daemon.Raise(ctx, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// check compares what came about with what was predicted.
func (c *camp) check(predicted host.LimitRecord, name string, r daemon.Report, threads int) {
	c.t.Helper()
	if predicted.Limit != name {
		c.t.Errorf("predicted %+v, want %s", predicted, name)
	}
	if r.Threads != threads {
		c.t.Fatalf("zombied has grown from %d threads to %d", threads, r.Threads)
	}
	if uint64(r.Standing) != *predicted.Fits {
		c.t.Errorf("%d zombies stand, %d were predicted", r.Standing, *predicted.Fits)
	}
	if !strings.Contains(r.Error, unix.EAGAIN.Error()) || !strings.Contains(r.Error, name) {
		c.t.Errorf("the raise ended with %q, want EAGAIN by %s", r.Error, name)
	}
}

func (c *camp) setPidsMax(value string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.group.Pids().Dir, "pids.max"), []byte(value), 0); err != nil {
		c.t.Fatal(err)
	}
}

// TestLive compares what limits and ps say with real armies.
func TestLive(t *testing.T) {
	if os.Geteuid() != 0 || !canMakeCgroups() {
		t.Skip("needs root and a cgroup hierarchy with the pids controller")
	}
	zombied := labtest.Zombied(t)
	// Another user has to get at it.
	if err := os.Chmod(filepath.Dir(zombied), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(*testing.T, string){
		"pids.max": testLivePidsMax, "no limit": testLiveNoLimit, "RLIMIT_NPROC": testLiveNproc, "ps": testLivePs,
	} {
		t.Run(name, func(t *testing.T) { test(t, zombied) })
	}
}

// The kernel refuses exactly the zombie after the last that limits has said
// will fit, for the reason that limits has given. One thread spawns: more of
// them ask for the last pids at the same time, and a child that is refused may
// hold one for a moment.
func testLivePidsMax(t *testing.T, zombied string) {
	c := pitch(t, zombied, 500, 1, 0, 0)
	threads := c.daemon.Last().Threads
	const more = 150
	before, err := c.group.Pids().EventsMax()
	if err != nil {
		t.Fatal(err)
	}
	c.setPidsMax(fmt.Sprint(threads + more))
	dir := c.group.Pids().Dir
	predicted := c.ask("--cgroup", dir)
	if *predicted.Fits != more || predicted.Where != filepath.Join(dir, "pids.max") {
		t.Errorf("predicted %+v, want %d in %s", predicted, more, dir)
	}
	if by := c.ask("--pid", fmt.Sprint(c.daemon.Pid())); by.Limit != predicted.Limit || *by.Fits != *predicted.Fits || by.Where != predicted.Where {
		t.Errorf("by its pid %+v, by its cgroup %+v", by, predicted)
	}
	if err := exec.Command("zombench", "limits", "--cgroup", dir, "--count", fmt.Sprint(more)).Run(); err != nil {
		t.Errorf("%d do not fit: %v", more, err)
	}
	out, err := exec.Command("zombench", "limits", "--cgroup", dir, "--count", fmt.Sprint(more+1)).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), "zombench: 151 zombies do not fit: pids.max is too low") {
		t.Errorf("%d fit: %v\n%s", more+1, err, out)
	}

	c.check(predicted, "pids.max", c.raise(), threads)
	// The kernel counted one refusal, the first.
	if after, err := c.group.Pids().EventsMax(); err != nil || after != before+1 {
		t.Errorf("%d forks were refused by pids.max, %v; want 1", after-before, err)
	}
	if left := c.ask("--cgroup", dir); *left.Fits != 0 {
		t.Errorf("room for %d more is left", *left.Fits)
	}
}

// Where the limit is far away nothing is refused: what breaks above is the
// limit and not the army.
func testLiveNoLimit(t *testing.T, zombied string) {
	c := pitch(t, zombied, 200, 1, 0, 0)
	c.setPidsMax("max")
	if predicted := c.ask("--pid", fmt.Sprint(c.daemon.Pid())); predicted.Limit == "pids.max" || *predicted.Fits < 200 {
		t.Skipf("this machine is too small: %+v", predicted)
	}
	if r := c.raise(); r.Standing != 200 || r.Error != "" {
		t.Errorf("%+v", r)
	}
}

// The same with the limit of an ordinary user, who runs nothing else.
func testLiveNproc(t *testing.T, zombied string) {
	const uid, limit = 254322, 180
	c := pitch(t, zombied, 500, 1, uid, limit)
	threads := c.daemon.Last().Threads
	predicted := c.ask("--pid", fmt.Sprint(c.daemon.Pid()))
	if *predicted.Value != limit || *predicted.Used != uint64(threads) || *predicted.Fits != uint64(limit-threads) {
		t.Errorf("predicted %+v, want room in a limit of %d for all but %d threads", predicted, limit, threads)
	}
	c.check(predicted, "RLIMIT_NPROC", c.raise(), threads)
}

// Ps finds the army, whichever of the daemon's threads has started whom, and
// what it says of the daemon is so.
func testLivePs(t *testing.T, zombied string) {
	const count = 60
	c := pitch(t, zombied, count, 4, 0, 0)
	find := func() (host.Parent, bool) {
		t.Helper()
		out, err := exec.Command("zombench", "ps", "--format", "json").Output()
		if err != nil {
			t.Fatal(err)
		}
		var all host.Zombies
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatal(err)
		}
		for _, p := range all.Parents {
			if p.PID == c.daemon.Pid() {
				return p, true
			}
		}
		return host.Parent{}, false
	}
	if p, ok := find(); ok {
		t.Errorf("before the army: %+v", p)
	}
	c.raise()
	p, ok := find()
	if !ok || p.Zombies != count || !strings.Contains(p.Command, "zombied start --foreground") || !strings.HasPrefix(filepath.Base(p.Cgroup), "zombench-") {
		t.Errorf("%+v", p)
	}
	if p.Age < 0 || p.Age > time.Hour {
		t.Errorf("the oldest was started %v ago", p.Age)
	}
	if p.SIGCHLD != measure.Handled { // the Go runtime does
		t.Errorf("SIGCHLD is %s, want handled", p.SIGCHLD)
	}
	if _, err := c.daemon.Reap(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if p, ok := find(); ok {
		t.Errorf("after the reaping: %+v", p)
	}
}
