package reaping

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/reaping/parent"
	"zombench/measure"
)

// The units of Reap.
const (
	UnitReapTime = "ns/zombie"    // from the trigger until pids.current is back
	UnitKmemTime = "kmem-ns"      // from the trigger until the kernel memory is back: RCU grace periods, whatever the army's size
	UnitPeak     = "zombies-peak" // that stood at the same time
	UnitLeft     = "zombies-left" // of a control: that still stand
	UnitKept     = "kept-B"       // kernel memory that has not come back
)

// reapSetups are the ways in which an army ends.
func reapSetups(p plan) []bench.Setup {
	var setups []bench.Setup
	for _, m := range []method{
		{"wait", "the parent waits for each child by its pid", false, waits(collectEach)},
		{"wait-any", "the parent waits for any child until none is left", false, waits(collectAny)},
		{"sigchld", "somebody sends zombied a SIGCHLD, and it reaps", false, onSIGCHLD("reap")},
		{"ignore", "the parent ignores SIGCHLD", false, disposes(parent.Ignore)},
		{"nocldwait", "the parent handles SIGCHLD with SA_NOCLDWAIT", false, disposes(parent.NoCldWait)},
		{"parent-exit", "the parent is killed, and its subreaper is waiting", false, parentExits},
		{"parent-exit-lazy", "the parent is killed, and its subreaper waits later", false, parentExitsLazily},
		{"pidns-exit", "the init of their pid namespace is killed", false, pidnsExits},
		{"default", "nobody does anything", true, disposes(parent.Default)},
		{"ignore-it", "somebody sends zombied a SIGCHLD, and it does not reap", true, onSIGCHLD("ignore-it")},
	} {
		setups = append(setups, m.setup(p, Reap, "method", p.count, p.army()...))
	}
	return setups
}

// waits: the parent waits for its children.
func waits(order parent.Order) func(*trial, plan) {
	return func(t *trial, p plan) {
		pt := t.start(parent.Options{Parallel: p.parallel})
		before := t.Settle("before")
		t.raiseUnder(pt)
		t.Put(UnitPeak, float64(t.count))
		t.timeReap(before, func() error { return pt.Send(order) })
		t.checkCollected(pt, order, t.count)
	}
}

// raiseUnder lets a parent raise the trial's army, and checks that all of it is
// there.
func (t *trial) raiseUnder(pt *parent.Client) parent.Reply {
	had := t.Tasks()
	r := t.raise(pt, t.count)
	has := t.Tasks()
	t.Check(has-had == t.count, "pids.current grew by %d and not by %d", has-had, t.count)
	return r
}

// timeReap pulls a trigger, measures until the tasks and the kernel memory are
// back at what they were before, and checks that they stay there.
func (t *trial) timeReap(before bench.Sample, trigger func() error) {
	t.Doing("reaping")
	start := time.Now()
	t.Step(trigger)
	t.Step(func() error {
		return t.Await(t.Ctx, "pids.current is back", 50*time.Microsecond, func() (bool, error) {
			n, err := t.Pids().Current()
			return n == *before.Pids, err
		})
	})
	t.Put(UnitReapTime, float64(time.Since(start).Nanoseconds())/float64(t.count))
	t.timeKmem(before, start)
	t.checkReturned(before)
}

// kmemPatience bounds the wait for kernel memory; settling, which shrinks
// caches, tells afterwards whether it is really gone.
const kmemPatience = 2 * time.Second

// timeKmem measures until the kernel memory is back. That it does not come back
// unaided is no fault yet.
func (t *trial) timeKmem(before bench.Sample, start time.Time) {
	if before.Kmem == nil {
		return
	}
	back := t.WaitFor(kmemPatience-time.Since(start), 200*time.Microsecond, func() (bool, error) {
		now, err := t.Kmem()
		at := time.Since(start)
		change, ok := bench.Change(before.Kmem, now)
		if back := ok && change <= float64(t.Lab.KmemTolerance()); !back {
			return false, err
		}
		t.Put(UnitKmemTime, float64(at.Nanoseconds()))
		return true, nil
	})
	if !back {
		t.Note("the kernel memory was not back after %v, before any cache was shrunk", kmemPatience)
	}
}

// checkReturned checks that everything was given back.
func (t *trial) checkReturned(before bench.Sample) {
	reaped := t.SettleBack("reaped", before)
	t.PutChange(UnitKept, before.Kmem, reaped.Kmem, 1)
	t.Returned(before, reaped)
}

// checkLeft checks a control: the whole army is still there, however long one
// waits.
func (t *trial) checkLeft(before bench.Sample) {
	now := t.Settle("after")
	left, _ := bench.Change(before.Pids, now.Pids)
	t.Put(UnitLeft, left)
	t.Check(left == float64(t.count), "of %[2]d zombies %.0[1]f are left, but nobody has waited for them", left, t.count)
}

// disposes: the parent says before it has children what is to become of them.
func disposes(how string) func(*trial, plan) {
	return func(t *trial, p plan) {
		pt := t.start(parent.Options{Parallel: p.parallel})
		r := t.ask(pt, parent.Order{Do: parent.Dispose, How: how})
		if r.Error != "" {
			t.Err = fmt.Errorf("setting SIGCHLD to %s: %s: %w", how, r.Error, measure.ErrNotSupported)
		}
		before := t.Settle("before")
		if how == parent.Default {
			t.raiseUnder(pt)
			t.checkLeft(before)
			return
		}
		t.Doing("raising")
		r = t.ask(pt, parent.Order{Do: parent.Raise, Count: t.count})
		t.Check(r.Standing == 0 && r.Gone == t.count, "%d children are zombies and %d are gone; want 0 and %d (%s)", r.Standing, r.Gone, t.count, r.Error)
		t.Step(func() error {
			peak, err := t.Pids().Peak()
			if err != nil { // before Linux 6.1
				t.Note("no peak: %v", err)
				return nil
			}
			rise := float64(peak) - float64(*before.Pids)
			t.Put(UnitPeak, rise)
			t.Check(rise <= float64(p.parallel), "pids.peak rose by %.0f with %d children at a time", rise, p.parallel)
			return t.Err
		})
		t.checkReturned(before)
	}
}

// onSIGCHLD: somebody sends zombied a SIGCHLD by hand.
func onSIGCHLD(does string) func(*trial, plan) {
	return func(t *trial, p plan) {
		d := t.Zombied(daemon.Options{Args: []string{"--on-sigchld", does}, Count: t.count, Parallel: p.parallel, Spawn: "exec"})
		before := t.Settle("before")
		t.RaiseAll(d, t.count)
		byHand := func() error {
			if err := unix.Kill(d.Pid(), unix.SIGCHLD); err != nil {
				return fmt.Errorf("sending SIGCHLD to zombied: %w", err)
			}
			return nil
		}
		if t.control {
			t.Step(byHand)
			t.checkLeft(before)
			return
		}
		t.Put(UnitPeak, float64(t.count))
		t.timeReap(before, byHand)
	}
}

// raiseUnderAdopter raises the trial's army under a parent that has above it the
// subreaper to whom its children come when it dies; how says what kind of parent.
// before is with the adopter alone.
func (t *trial) raiseUnderAdopter(p plan, how parent.Order) (adopter, pt *parent.Client, before bench.Sample) {
	adopter = t.start(parent.Options{Parallel: p.parallel, Subreaper: true})
	// The first one pays for what only the first one costs.
	warmUp := t.spawn(adopter, how)
	t.Step(warmUp.Kill)
	t.order(adopter, collectAny)
	before = t.Settle("before")
	pt = t.spawn(adopter, how)
	t.raiseUnder(pt)
	t.Put(UnitPeak, float64(t.count))
	return adopter, pt, before
}

// parentExits: the parent is killed, and its adopter is waiting for children.
func parentExits(t *trial, p plan) { t.exits(p, parent.Order{}, t.count+1) }

// pidnsExits: the parent is the init of a pid namespace and is killed. The
// kernel ends the namespace, and collects (zap_pid_ns_processes in
// kernel/pid_namespace.c); who waits outside sees nothing but the init.
func pidnsExits(t *trial, p plan) { t.exits(p, parent.Order{Pidns: true}, 1) }

// exits kills a parent whose adopter is waiting, and checks how many children
// the adopter has collected.
func (t *trial) exits(p plan, how parent.Order, collected int) {
	adopter, pt, before := t.raiseUnderAdopter(p, how)
	t.Step(func() error { return adopter.Send(collectAny) })
	t.timeReap(before, pt.Kill)
	t.checkCollected(adopter, collectAny, collected)
}

// parentExitsLazily: the parent is killed, and its adopter does not wait for
// children before it is told to.
func parentExitsLazily(t *trial, p plan) {
	adopter, pt, before := t.raiseUnderAdopter(p, parent.Order{})
	t.Step(pt.Kill)
	t.Doing("waiting for the adoption")
	t.awaitDead(pt)
	its := t.childrenOf(adopter.PID)
	t.Check(its == children{dead: t.count + 1}, "the adopter has %v; want the army of %d and its parent", its, t.count)
	t.timeReap(before, func() error { return adopter.Send(collectAny) })
	t.checkCollected(adopter, collectAny, t.count+1)
}
