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

func adopts(o parent.Options) func(*trial, plan) {
	return func(t *trial, p plan) { t.adopt(p, o) }
}

// adopt lets a parent with dead and living children die, and finds out in /proc
// whose they are then (find_new_reaper in kernel/exit.c).
func (t *trial) adopt(p plan, o parent.Options) {
	o.Parallel = p.parallel
	above := t.start(o)
	pt := t.spawn(above, parent.Order{})
	want := children{dead: t.count, living: (t.count + livingShare - 1) / livingShare}
	all := want.dead + want.living
	t.raise(pt, want.dead)
	t.order(pt, parent.Order{Do: parent.SpawnLiving, Count: want.living})
	its := t.childrenOf(pt.PID)
	t.Check(its == want, "the parent has %v; want %v", its, want)
	ours := t.childrenOf(os.Getpid())

	t.Doing("killing the parent")
	start := time.Now()
	t.Step(pt.Kill)
	// It gives its children away before it is a zombie itself (exit_notify).
	t.awaitDead(pt)
	elapsed := time.Since(start)

	adopted := t.childrenOf(above.PID)
	adopted.dead-- // the parent itself
	toUs := t.childrenOf(os.Getpid())
	toUs.dead, toUs.living = toUs.dead-ours.dead, toUs.living-ours.living
	t.Note("above the parent: %v; to the harness: %v", adopted, toUs)
	if t.control {
		t.Put(UnitPassed, float64(toUs.dead+toUs.living))
		t.Check(adopted == children{} && toUs == want, "an ancestor that is no subreaper has adopted %v", adopted)
		return // they end with the trial, and are collected then
	}
	t.Put(UnitAdoptTime, float64(elapsed.Nanoseconds())/float64(all))
	t.Put(UnitAdopted, float64(adopted.dead+adopted.living))
	t.Check(adopted == want && toUs == children{}, "%v were adopted, %v passed by; want %v, and none", adopted, toUs, want)
	t.Doing("collecting")
	above.Release()
	t.Step(func() error { return above.Send(collectAny) })
	t.checkCollected(above, collectAny, all+1)
}
