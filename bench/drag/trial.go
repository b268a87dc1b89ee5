package drag

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/cpus"
	"zombench/bench/daemon"
	"zombench/bench/reexec"
	"zombench/measure"
)

// actingTime is after how much time of acting a trial has seen enough.
const actingTime = 2 * time.Second

// A trial is an actor beside an army.
type trial struct {
	*bench.Steps
	actor    actor
	count    int
	order    order
	parent   *daemon.Daemon // of the army
	toParent bool           // the act is done to it
	alone    bool           // the zombies are to be alone in the cgroup that was joined
	home     string         // where this process is in the hierarchy that was joined
}

// perform runs one trial.
func perform(s *bench.Steps, a actor, count, rounds int) {
	var actorCPU, bystanderCPU int
	s.Step(func() (err error) { actorCPU, bystanderCPU, err = twoCPUs(); return err })
	if a.once {
		rounds = 1
	}
	t := &trial{Steps: s, actor: a, count: count, order: order{Act: a.name, CPU: actorCPU, Rounds: rounds, Within: actingTime}}
	if a.aim != nil {
		t.Step(func() error { return a.aim(t) })
	}
	t.raise()
	var by bystanders
	t.Step(func() (err error) {
		var without string
		by, without, err = startBystanders(t.Ctx, bystanderCPU)
		if without != "" {
			s.Warn("bystanders %s", without)
		}
		return err
	})
	if t.Err != nil {
		return
	}
	s.Cleanup(func(context.Context) error { return by.Close() })
	t.announce()
	var p performance
	var seen watch
	t.Step(func() (err error) { p, err = t.act(); return err })
	t.Step(func() (err error) { seen, err = by.stop(); return err })
	t.Step(func() error { return t.record(p, seen) })
	t.end()
}

// announce says what is about to happen.
func (t *trial) announce() {
	what := "acting: " + t.actor.about
	if frozen := t.actor.frozen(t.count); frozen > mostFrozen {
		what = fmt.Sprintf("about to hold up every fork on this machine for up to %v: %s", frozen, t.actor.about)
		t.Note("%s", what)
	}
	t.Doing(what)
}

// raise has zombied raise the army, on the actor's CPU.
func (t *trial) raise() {
	levels := 0
	if t.actor.pidns {
		levels = 1
	}
	var known []int
	t.Step(func() (err error) { known, err = t.Lab.FS.Children(os.Getpid()); return err })
	t.parent = t.Zombied(daemon.Options{Count: t.count, Parallel: 1, Spawn: "clone", PidNS: levels})
	t.Step(t.keepParent)
	t.RaiseAll(t.parent, t.count)
	if t.Err != nil {
		return
	}
	if t.toParent {
		t.order.PID = t.parent.Pid()
	}
	if t.alone {
		t.Step(t.moveHome)
	}
	if t.actor.ours {
		t.adopt(known)
	}
}

// keepParent keeps the army's parent on the actor's CPU.
func (t *trial) keepParent() error {
	tids, err := t.Lab.FS.Tasks(t.parent.Pid())
	if err != nil {
		return err
	}
	for _, tid := range tids {
		if err := cpus.Keep(tid, t.order.CPU); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("keeping thread %d: %w", tid, err)
		}
	}
	return nil
}

// adopt ends the army's parent: its zombies come to this process, a child
// subreaper, in the order of their birth, behind the children that it had.
func (t *trial) adopt(known []int) {
	var army []int
	t.Step(func() error { return t.parent.Stop(t.Ctx) })
	t.Step(func() (err error) { army, err = t.Lab.FS.Children(os.Getpid()); return err })
	army = slices.DeleteFunc(army, func(pid int) bool { return slices.Contains(known, pid) })
	t.Check(len(army) == t.count, "%d of %d zombies came to this process", len(army), t.count)
	if t.Err != nil {
		return
	}
	t.order.PID = army[0]
	if t.actor.name == "wait-last" {
		t.order.PID = army[len(army)-1]
	}
}

// join makes the trial's cgroup in the hierarchy of a controller too, or with ""
// in that of version 2, and returns its directory there.
func (t *trial) join(controller string) (string, error) {
	groups, err := t.Lab.FS.Cgroups(0)
	if err != nil {
		return "", err
	}
	h, err := groups.Unified()
	if controller != "" {
		h, err = groups.Controller(controller)
	}
	if err != nil {
		return "", err
	}
	t.home = h.Dir()
	return t.Join(h)
}

// moveHome moves the army's parent to where this process is in the hierarchy that
// was joined. What it has started and is dead stays.
func (t *trial) moveHome() error {
	path := filepath.Join(t.home, "cgroup.procs")
	if err := os.WriteFile(path, []byte(strconv.Itoa(t.parent.Pid())), 0); err != nil {
		return fmt.Errorf("moving the army's parent away from its zombies: %w", err)
	}
	return nil
}

// act has the order followed: by a process of its own, or by this one if it is
// the army's parent.
func (t *trial) act() (p performance, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends, with the namespace for its children
		if t.actor.ours {
			p, err = act(t.order)
		} else {
			p, err = t.actElsewhere()
		}
	}()
	<-done
	switch {
	case err != nil && t.Ctx.Err() != nil:
		err = context.Cause(t.Ctx)
	case err != nil:
		err = fmt.Errorf("%s: %w", t.actor.name, err)
	}
	return p, err
}

// actElsewhere runs an actor, in the pid namespace of the army if it has one: that
// is the calling thread's to give to its children (pid_namespaces(7)).
func (t *trial) actElsewhere() (p performance, err error) {
	if t.actor.pidns {
		if err := enter(t.Lab.FS, t.parent.Pid()); err != nil {
			return p, err
		}
	}
	order, err := json.Marshal(t.order)
	if err != nil {
		return p, err
	}
	cmd := reexec.Command(actorName, string(order))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an autogroup of its own, see preferGroup
	if !t.actor.pidns {
		// This thread is locked, and waits. Whom the child cannot see it would take
		// for dead (syscall.forkAndExecInChild); with its namespace it ends anyway.
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return p, err
	}
	stop := context.AfterFunc(t.Ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && stderr.Len() > 0 {
			err = fmt.Errorf("%w: %s", exit, bytes.TrimSpace(stderr.Bytes()))
		}
		return p, err
	}
	return p, json.Unmarshal(stdout.Bytes(), &p)
}

// enter has the children of the calling thread born in a process's pid namespace.
func enter(fs measure.FS, pid int) error {
	f, err := os.Open(filepath.Join(fs.Proc, strconv.Itoa(pid), "ns", "pid"))
	if err == nil {
		err = unix.Setns(int(f.Fd()), unix.CLONE_NEWPID)
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("entering the army's pid namespace: %w", err)
	}
	return nil
}

// record takes what was seen into the result.
func (t *trial) record(p performance, seen watch) error {
	t.Put(UnitAct, p.duration())
	for _, b := range []struct {
		name  string
		ticks ticks
		meant time.Duration
	}{{fork, seen.fork, breath}, {sleep, seen.sleep, nap}} {
		s, err := p.stalls(b.ticks, b.meant)
		if err != nil {
			return bench.Brokenf("%s: %v", b.name, err)
		}
		t.Put(b.name+unitLongest, s.longest)
		t.Put(b.name+unitTail, s.tail)
		t.Put(b.name+unitRest, s.rest)
		stalled := 0.0
		if s.stalled() {
			stalled = 1
		} else {
			t.Note("%s: no stall: %v during an act is not above the %v seen while nobody acts", b.name, time.Duration(s.longest), time.Duration(s.noise))
		}
		t.Put(b.name+unitStalled, stalled)
	}
	return nil
}

// end has the army reaped by whoever is its parent now.
func (t *trial) end() {
	if !t.actor.once && !t.actor.ours {
		t.Reap(t.parent)
		return
	}
	t.Step(func() error { return t.parent.Stop(t.Ctx) })
	t.Doing("collecting")
	var n int
	t.Step(func() (err error) { n, err = t.Collect(t.Ctx); return err })
	t.Check(n == t.count, "%d of %d zombies came to this process", n, t.count)
}
