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
func waits(order parent.Order) func(*trial, plan) error {
	return func(t *trial, p plan) error {
		pt, err := t.start(parent.Options{Parallel: p.parallel})
		if err != nil {
			return err
		}
		before, err := t.Settle(t.ctx, "before", nil)
		if err != nil {
			return err
		}
		if _, err := t.raiseUnder(pt); err != nil {
			return err
		}
		t.Put(UnitPeak, float64(t.count))
		if err := t.timeReap(before, func() error { return pt.Send(order) }); err != nil {
			return err
		}
		return t.awaitCollected(pt, order, t.count)
	}
}

// raiseUnder lets a parent raise the trial's army, and checks that all of it is
// there.
func (t *trial) raiseUnder(pt *parent.Client) (r parent.Reply, err error) {
	had, err := t.Tasks()
	if err != nil {
		return r, err
	}
	if r, err = t.raise(pt, t.count); err != nil {
		return r, err
	}
	has, err := t.Tasks()
	if err == nil && has-had != t.count {
		err = bench.Brokenf("pids.current grew by %d and not by %d", has-had, t.count)
	}
	return r, err
}

// timeReap pulls a trigger, measures until the tasks and the kernel memory are
// back at what they were before, and checks that they stay there.
func (t *trial) timeReap(before bench.Sample, trigger func() error) error {
	t.Doing("reaping")
	start := time.Now()
	if err := trigger(); err != nil {
		return err
	}
	err := t.Await(t.ctx, "pids.current is back", 50*time.Microsecond, func() (bool, error) {
		n, err := t.Pids().Current()
		return n == *before.Pids, err
	})
	if err != nil {
		return err
	}
	t.Put(UnitReapTime, float64(time.Since(start).Nanoseconds())/float64(t.count))
	if err := t.timeKmem(before, start); err != nil {
		return err
	}
	return t.checkReturned(before)
}

// kmemPatience bounds the wait for kernel memory; settling, which shrinks
// caches, tells afterwards whether it is really gone.
const kmemPatience = 2 * time.Second

// timeKmem measures until the kernel memory is back. That it does not come back
// unaided is no fault yet.
func (t *trial) timeKmem(before bench.Sample, start time.Time) error {
	if before.Kmem == nil {
		return nil
	}
	back, err := bench.WaitFor(t.ctx, kmemPatience-time.Since(start), 200*time.Microsecond, func() (bool, error) {
		now, err := t.Kmem()
		at := time.Since(start)
		change, ok := bench.Change(before.Kmem, now)
		if back := ok && change <= float64(t.Lab.KmemTolerance()); !back {
			return false, err
		}
		t.Put(UnitKmemTime, float64(at.Nanoseconds()))
		return true, nil
	})
	if err == nil && !back {
		t.Note("the kernel memory was not back after %v, before any cache was shrunk", kmemPatience)
	}
	return err
}

// checkReturned checks that everything was given back.
func (t *trial) checkReturned(before bench.Sample) error {
	reaped, err := t.SettleBack(t.ctx, "reaped", before)
	if err != nil {
		return err
	}
	if kept, ok := bench.Change(before.Kmem, reaped.Kmem); ok {
		t.Put(UnitKept, kept)
	}
	if why := t.Lab.Returned(before, reaped); why != "" {
		return bench.Brokenf("%s", why)
	}
	return nil
}

// checkLeft checks a control: the whole army is still there, however long one
// waits.
func (t *trial) checkLeft(before bench.Sample) error {
	now, err := t.Settle(t.ctx, "after", nil)
	if err != nil {
		return err
	}
	left, _ := bench.Change(before.Pids, now.Pids)
	t.Put(UnitLeft, left)
	if left != float64(t.count) {
		return bench.Brokenf("of %[2]d zombies %.0[1]f are left, but nobody has waited for them", left, t.count)
	}
	return nil
}

// disposes: the parent says before it has children what is to become of them.
func disposes(how string) func(*trial, plan) error {
	return func(t *trial, p plan) error {
		pt, err := t.start(parent.Options{Parallel: p.parallel})
		if err != nil {
			return err
		}
		switch r, err := pt.Do(t.ctx, parent.Order{Do: parent.Dispose, How: how}); {
		case err != nil:
			return err
		case r.Error != "":
			return fmt.Errorf("setting SIGCHLD to %s: %s: %w", how, r.Error, measure.ErrNotSupported)
		}
		before, err := t.Settle(t.ctx, "before", nil)
		if err != nil {
			return err
		}
		if how == parent.Default {
			if _, err := t.raiseUnder(pt); err != nil {
				return err
			}
			return t.checkLeft(before)
		}
		t.Doing("raising")
		r, err := pt.Do(t.ctx, parent.Order{Do: parent.Raise, Count: t.count})
		if err != nil {
			return err
		}
		if r.Standing != 0 || r.Gone != t.count {
			return bench.Brokenf("%d children are zombies and %d are gone; want 0 and %d (%s)", r.Standing, r.Gone, t.count, r.Error)
		}
		switch peak, err := t.Pids().Peak(); {
		case err != nil: // before Linux 6.1
			t.Note("no peak: %v", err)
		default:
			rise := float64(peak) - float64(*before.Pids)
			t.Put(UnitPeak, rise)
			if rise > float64(p.parallel) {
				return bench.Brokenf("pids.peak rose by %.0f with %d children at a time", rise, p.parallel)
			}
		}
		return t.checkReturned(before)
	}
}

// onSIGCHLD: somebody sends zombied a SIGCHLD by hand.
func onSIGCHLD(does string) func(*trial, plan) error {
	return func(t *trial, p plan) error {
		d, err := t.Zombied(t.ctx, daemon.Options{Args: []string{"--on-sigchld", does}, Count: t.count, Parallel: p.parallel, Spawn: "exec"})
		if err != nil {
			return err
		}
		before, err := t.Settle(t.ctx, "before", nil)
		if err != nil {
			return err
		}
		raised, err := t.RaiseAll(t.ctx, d, t.count)
		if err != nil {
			return err
		}
		byHand := func() error {
			if err := unix.Kill(d.Pid(), unix.SIGCHLD); err != nil {
				return fmt.Errorf("sending SIGCHLD to zombied: %w", err)
			}
			return nil
		}
		if t.control {
			if err := byHand(); err != nil {
				return err
			}
			return t.checkLeft(before)
		}
		t.Put(UnitPeak, float64(raised.Standing))
		return t.timeReap(before, byHand)
	}
}

// An adoption is a parent with the trial's army, and above it the subreaper to
// whom its children come when it dies.
type adoption struct {
	adopter, parent *parent.Client
	before          bench.Sample // with the adopter alone
}

// raiseUnderAdopter raises the trial's army under a parent that has an adopter
// above it; how says what kind of parent.
func (t *trial) raiseUnderAdopter(p plan, how parent.Order) (*adoption, error) {
	adopter, err := t.start(parent.Options{Parallel: p.parallel, Subreaper: true})
	if err != nil {
		return nil, err
	}
	// The first one pays for what only the first one costs.
	warmUp, err := adopter.SpawnParent(t.ctx, how)
	if err != nil {
		return nil, err
	}
	if err := warmUp.Kill(); err != nil {
		return nil, err
	}
	if _, err := adopter.Must(t.ctx, collectAny); err != nil {
		return nil, err
	}
	before, err := t.Settle(t.ctx, "before", nil)
	if err != nil {
		return nil, err
	}
	pt, err := adopter.SpawnParent(t.ctx, how)
	if err != nil {
		return nil, err
	}
	if _, err := t.raiseUnder(pt); err != nil {
		return nil, err
	}
	t.Put(UnitPeak, float64(t.count))
	return &adoption{adopter, pt, before}, nil
}

// parentExits: the parent is killed, and its adopter is waiting for children.
func parentExits(t *trial, p plan) error {
	return t.exits(p, parent.Order{}, t.count+1)
}

// pidnsExits: the parent is the init of a pid namespace and is killed. The
// kernel ends the namespace, and collects (zap_pid_ns_processes in
// kernel/pid_namespace.c); who waits outside sees nothing but the init.
func pidnsExits(t *trial, p plan) error {
	return t.exits(p, parent.Order{Pidns: true}, 1)
}

// exits kills a parent whose adopter is waiting, and checks how many children
// the adopter has collected.
func (t *trial) exits(p plan, how parent.Order, collected int) error {
	a, err := t.raiseUnderAdopter(p, how)
	if err != nil {
		return err
	}
	if err := a.adopter.Send(collectAny); err != nil {
		return err
	}
	if err := t.timeReap(a.before, a.parent.Kill); err != nil {
		return err
	}
	return t.awaitCollected(a.adopter, collectAny, collected)
}

// parentExitsLazily: the parent is killed, and its adopter does not wait for
// children before it is told to.
func parentExitsLazily(t *trial, p plan) error {
	a, err := t.raiseUnderAdopter(p, parent.Order{})
	if err != nil {
		return err
	}
	if err := a.parent.Kill(); err != nil {
		return err
	}
	t.Doing("waiting for the adoption")
	if err := t.awaitDead(a.parent.PID); err != nil {
		return err
	}
	its, err := t.childrenOf(a.adopter.PID)
	if err != nil {
		return err
	}
	if want := (children{dead: t.count + 1}); its != want {
		return bench.Brokenf("the adopter has %v; want the army of %d and its parent", its, t.count)
	}
	if err := t.timeReap(a.before, func() error { return a.adopter.Send(collectAny) }); err != nil {
		return err
	}
	return t.awaitCollected(a.adopter, collectAny, t.count+1)
}

// The orders that have a parent wait for its children: each by its pid, or any until
// none is left.
var (
	collectEach = parent.Order{Do: parent.Collect, How: parent.Each}
	collectAny  = parent.Order{Do: parent.Collect, How: parent.Any}
)

// awaitCollected takes a parent's reply to such an order and checks it.
func (t *trial) awaitCollected(pt *parent.Client, order parent.Order, want int) error {
	r, err := pt.Await(t.ctx, order)
	if err == nil && r.Ended != want {
		err = bench.Brokenf("%d children were collected, want %d", r.Ended, want)
	}
	return err
}
