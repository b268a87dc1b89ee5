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
	t.Doing("raising")
	if r, err := pt.Must(t.ctx, parent.Order{Do: parent.Raise, Count: dead}); err != nil || r.Standing != dead {
		if err == nil {
			err = bench.Brokenf("%d of %d zombies were raised", r.Standing, dead)
		}
		return err
	}
	if _, err := pt.Must(t.ctx, parent.Order{Do: parent.SpawnLiving, Count: living}); err != nil {
		return err
	}
	if z, l, err := t.childrenOf(pt.PID); err != nil || z != dead || l != living {
		if err == nil {
			err = bench.Brokenf("the parent has %d dead and %d living children; want %d and %d", z, l, dead, living)
		}
		return err
	}
	ours, oursLiving, err := t.childrenOf(os.Getpid())
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

	z, l, err := t.childrenOf(above.PID)
	if err != nil {
		return err
	}
	z-- // the parent itself
	toUs, toUsLiving, err := t.childrenOf(os.Getpid())
	if err != nil {
		return err
	}
	toUs, toUsLiving = toUs-ours, toUsLiving-oursLiving
	t.Note("above the parent: %d dead and %d living; to the harness: %d and %d", z, l, toUs, toUsLiving)
	if t.control {
		t.Put(UnitPassed, float64(toUs+toUsLiving))
		if z != 0 || l != 0 || toUs != dead || toUsLiving != living {
			err = bench.Brokenf("an ancestor that is no subreaper has adopted %d dead and %d living children", z, l)
		}
		return err // they end with the trial, and are collected then
	}
	t.Put(UnitAdoptTime, float64(elapsed.Nanoseconds())/float64(dead+living))
	t.Put(UnitAdopted, float64(z+l))
	if z != dead || l != living || toUs != 0 || toUsLiving != 0 {
		return bench.Brokenf("%d dead and %d living children were adopted, %d and %d passed by; want %d and %d, and none", z, l, toUs, toUsLiving, dead, living)
	}
	t.Doing("collecting")
	above.Release()
	r, err := above.Must(t.ctx, collectAny)
	if err == nil && r.Ended != dead+living+1 {
		err = bench.Brokenf("the adopter has collected %d children; want %d and the parent", r.Ended, dead+living)
	}
	return err
}
