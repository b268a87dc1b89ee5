package reaping

import (
	"os"
	"time"

	"zombench/bench"
	"zombench/bench/reaping/parent"
)

// The units of Adopt.
const (
	UnitAdoptTime = "ns/child"     // from the killing of the parent until its children have another
	UnitAdopted   = "adopted"      // children, dead or alive, that came to the adopter
	UnitPassed    = "passed-it-by" // of a control: children that went to another
	livingShare   = 5              // one living child for so many dead ones
)

// adoptSetups are the ones to whom the children of a dead parent may fall.
func adoptSetups(p plan) []bench.Setup {
	var setups []bench.Setup
	for _, m := range []method{
		{"subreaper", "its parent dies; the nearest ancestor that is a child subreaper", false, adopts(parent.Options{Subreaper: true})},
		{"init", "its parent dies; the init of the pid namespace", false, adopts(parent.Options{Pidns: true})},
		{"none", "its parent dies; an ancestor that is neither subreaper nor init", true, adopts(parent.Options{})},
	} {
		setups = append(setups, m.setup(p, Adopt, "adopter", p.count, p.army()...))
	}
	return setups
}

func adopts(o parent.Options) func(*trial, plan) error {
	return func(t *trial, p plan) error { return t.adopt(p, o) }
}

// adopt lets a parent with dead and living children die, and finds out in /proc
// whose they are then (find_new_reaper in kernel/exit.c).
func (t *trial) adopt(p plan, o parent.Options) error {
	o.Parallel = p.parallel
	above, err := t.start(o)
	if err != nil {
		return err
	}
	pt, err := above.SpawnParent(t.ctx, parent.Order{})
	if err != nil {
		return err
	}
	dead, living := t.count, (t.count+livingShare-1)/livingShare
	if _, err := t.raise(pt, dead); err != nil {
		return err
	}
	if _, err := pt.Must(t.ctx, parent.Order{Do: parent.SpawnLiving, Count: living}); err != nil {
		return err
	}
	want := children{dead, living}
	switch its, err := t.childrenOf(pt.PID); {
	case err != nil:
		return err
	case its != want:
		return bench.Brokenf("the parent has %v; want %v", its, want)
	}
	ours, err := t.childrenOf(os.Getpid())
	if err != nil {
		return err
	}

	t.Doing("killing the parent")
	start := time.Now()
	if err := pt.Kill(); err != nil {
		return err
	}
	// It gives its children away before it is a zombie itself (exit_notify).
	if err = t.awaitDead(pt.PID); err != nil {
		return err
	}
	elapsed := time.Since(start)

	adopted, err := t.childrenOf(above.PID)
	if err != nil {
		return err
	}
	adopted.dead-- // the parent itself
	toUs, err := t.childrenOf(os.Getpid())
	if err != nil {
		return err
	}
	toUs.dead, toUs.living = toUs.dead-ours.dead, toUs.living-ours.living
	t.Note("above the parent: %v; to the harness: %v", adopted, toUs)
	if t.control {
		t.Put(UnitPassed, float64(toUs.dead+toUs.living))
		if adopted != (children{}) || toUs != want {
			err = bench.Brokenf("an ancestor that is no subreaper has adopted %v", adopted)
		}
		return err // they end with the trial, and are collected then
	}
	t.Put(UnitAdoptTime, float64(elapsed.Nanoseconds())/float64(dead+living))
	t.Put(UnitAdopted, float64(adopted.dead+adopted.living))
	if adopted != want || toUs != (children{}) {
		return bench.Brokenf("%v were adopted, %v passed by; want %v, and none", adopted, toUs, want)
	}
	t.Doing("collecting")
	above.Release()
	if err := above.Send(collectAny); err != nil {
		return err
	}
	return t.awaitCollected(above, collectAny, dead+living+1)
}
