package dress

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

// A comparison is a setup of Dress.
type comparison struct {
	outfit string
	count  int
	trials int // so far
}

// run raises a naked army and a dressed one, the other way round every second
// time.
func (c *comparison) run(s *bench.Steps) {
	s.ReadSystem()
	s.ReadCgroups()
	armies := []*army{{name: naked, outfit: naked}, {name: "dressed", outfit: c.outfit}}
	for _, a := range armies {
		a.start(s, s.Start, c.count)
	}
	armies[1].triedGone(s)
	before := s.Settle("before")
	if s.Err != nil {
		return
	}
	order := armies
	if c.trials++; c.trials%2 == 0 {
		order = []*army{armies[1], armies[0]}
	}
	last := before
	for i, a := range order {
		a.before = last
		a.raise(s, c.count)
		last = a.reap(s, []string{"between", "reaped"}[i], before)
		a.reaped = last
	}
	for _, v := range difference(s.Lab, armies[0], armies[1], float64(c.count)) {
		s.Put("extra-"+v.Unit, v.Value)
	}
	for _, a := range armies {
		a.check(s, c.count)
	}
	warn(s, before, last)
}

// warn flags what has not come back.
func warn(s *bench.Steps, before, reaped bench.Sample) {
	if s.Err != nil {
		return
	}
	for _, what := range left(s.Lab, before, reaped) {
		s.Warn("did not come back after the reap: %s", what)
	}
}

// An army is one of the two of a trial.
type army struct {
	name, outfit          string
	daemon                *daemon.Daemon
	before, after, reaped bench.Sample
	ends                  daemon.Report
}

// start starts the army's zombied, held.
func (a *army) start(s *bench.Steps, start daemon.Starter, count int) {
	s.Step(func() (err error) {
		a.daemon, err = s.ZombiedBy(s.Ctx, start, daemon.Options{Count: count, Parallel: parallel, Spawn: "clone", Args: Args(a.outfit)})
		if err == nil { // the first order that a daemon follows costs it a page that it keeps
			_, err = a.daemon.Reap(s.Ctx, nil)
		}
		return err
	})
}

func (a *army) raise(s *bench.Steps, count int) {
	s.RaiseAll(a.daemon, count)
	s.Doing("waiting for what was given back")
	if a.wears("netns") {
		netnsGone(s)
	} else {
		calm(s, 500*time.Millisecond)
	}
	a.after = s.Settle(a.name)
}

// calm waits until the cgroup's charge stands still for a while: some of what the
// end of a process gives back a worker takes down later. It gives up after
// patience; Settle then tells.
func calm(s *bench.Steps, still time.Duration) {
	last, since := uint64(0), time.Now()
	s.WaitFor(patience, 50*time.Millisecond, func() (bool, error) {
		kmem, err := s.Kmem()
		if kmem != nil && *kmem != last {
			last, since = *kmem, time.Now()
		}
		return time.Since(since) >= still, err
	})
}

// triedGone waits until the child is gone on which zombied has tried the dresses,
// and the cgroup that it was in, which goes after it, where that can be seen.
func (a *army) triedGone(s *bench.Steps) {
	s.Doing("waiting for what was tried")
	switch {
	case a.wears("netns"):
		netnsGone(s)
	case a.wears("oom"): // OOM_REAPER_DELAY: the OOM reaper has it for two seconds
		calm(s, 3*time.Second)
	}
	if s.Lab.CgroupKind() == "v2" {
		s.WaitFor(patience, 20*time.Millisecond, func() (bool, error) {
			n, err := s.Dying()
			return n == 0, err
		})
	}
}

// netnsGone waits until network namespaces that have ended are gone. They are
// taken down step by step, and what is left of the last ones goes with the next
// that ends (net_complete_free in net/core/net_namespace.c), which is one of ours.
func netnsGone(s *bench.Steps) {
	calm(s, 3*time.Second)
	s.Step(func() error {
		// A child that has one finds no program of no name, and ends.
		in := &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}}
		if _, err := syscall.ForkExec("", []string{""}, in); !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("a network namespace: %w", err)
		}
		return nil
	})
	calm(s, time.Second)
}

// patience is how long what an army held may take to come back: the OOM killer
// keeps a task for two seconds, a namespace is taken down by a worker.
const patience = 10 * time.Second

// reap collects the army and waits until what it held is back.
func (a *army) reap(s *bench.Steps, when string, before bench.Sample) bench.Sample {
	a.ends = s.Reap(a.daemon)
	s.Doing("waiting for what it held")
	s.WaitFor(patience, 20*time.Millisecond, func() (bool, error) {
		tasks, err := s.Pids().Current()
		if err != nil {
			return false, err
		}
		now := before
		if now.Kmem, err = s.Kmem(); err != nil {
			return false, err
		}
		if now.Pids != nil {
			now.Pids = &tasks
		}
		back := s.Lab.Returned(before, now) == ""
		if before.Dying != nil {
			dying, err := s.Dying()
			return back && bench.Delta(*before.Dying, dying) <= dyingSlack(s.Lab, 0), err
		}
		return back, nil
	})
	return s.SettleBack(when, before)
}

// check checks the invariants of an army of count.
func (a *army) check(s *bench.Steps, count int) {
	grown, ok := bench.Change(a.before.Pids, a.after.Pids)
	s.Check(!ok || grown == float64(count), "%s: pids.current grew by %.0f and not by %d", a.name, grown, count)
	n := a.ends.Exited + a.ends.Killed + a.ends.Dumped
	s.Check(n == uint64(count), "%s: %d of %d zombies were reaped", a.name, n, count)
	graves := 0.0
	if a.wears("grave") {
		graves = float64(count)
	}
	slack, tried := dyingSlack(s.Lab, count), 0.0
	if a.before.Dying != nil {
		// That of the child on which the dress was tried may stay for as long as a
		// CPU keeps some of its charge, and go with another.
		tried = float64(min(1, *a.before.Dying))
	}
	dying, ok := bench.Change(a.before.Dying, a.after.Dying)
	s.Check(!ok || -slack-tried <= dying-graves && dying-graves <= slack, "%s: %+.0f cgroups are dying while the army is there, want %.0f", a.name, dying, graves)
	back, ok := bench.Change(a.before.Dying, a.reaped.Dying)
	s.Check(!ok || -slack-tried <= back && back <= slack, "%s: %+.0f cgroups are dying after the reap", a.name, back)
	reaped := a.reaped
	if a.wears("cgroup") || a.wears("grave") {
		// In version 1 there remain a dentry and an inode of each hierarchy's directory
		// and of the cgroup.procs in it, 3.3 kB in all, which are charged until memory
		// is reclaimed. That is told, and no fault of the trial.
		reaped.Kmem = a.before.Kmem
	}
	s.Step(func() error {
		if why := s.Lab.Returned(a.before, reaped); why != "" {
			return bench.Brokenf("%s: %s", a.name, why)
		}
		return nil
	})
}

// wears reports whether a dress is part of the army's outfit.
func (a *army) wears(name string) bool { return slices.Contains(strings.Split(a.outfit, "+"), name) }

// dyingSlack is by how much the number of dying cgroups may be off: version 1
// counts those of everybody.
func dyingSlack(lab *bench.Lab, count int) float64 {
	if lab.CgroupKind() == "v2" {
		return 0
	}
	return 16 + float64(count)/4
}

// gain returns by how much a reading grew while an army was there. The reading
// without it is the middle of those before and after, so that a steady drift
// drops out.
func (a *army) gain(read func(bench.Sample) *uint64) (float64, bool) {
	up, ok1 := bench.Change(read(a.before), read(a.after))
	down, ok2 := bench.Change(read(a.reaped), read(a.after))
	return (up + down) / 2, ok1 && ok2
}

// rise is gain of a counter that does not drift: what has not come back after the
// reap was held as well.
func (a *army) rise(read func(bench.Sample) *uint64) (float64, bool) {
	return bench.Change(read(a.before), read(a.after))
}

// An instrument reads one counter.
type instrument struct {
	unit string
	read func(bench.Sample) *uint64
}

// instruments are those whose readings are taken as they are.
func instruments() []instrument {
	return []instrument{
		{unitKmem, func(s bench.Sample) *uint64 { return s.Kmem }},
		{unitAbove, func(s bench.Sample) *uint64 {
			if s.Above == nil || s.Kmem == nil {
				return nil
			}
			beside := *s.Above - *s.Kmem
			return &beside
		}},
		{unitSlab, meminfo(func(m *measure.Meminfo) *uint64 { return &m.SUnreclaim })},
		{unitPercpu, meminfo(func(m *measure.Meminfo) *uint64 { return m.Percpu })},
		{unitVmalloc, meminfo(func(m *measure.Meminfo) *uint64 { return m.VmallocUsed })},
		{unitDying, func(s bench.Sample) *uint64 { return s.Dying }},
	}
}

func meminfo(of func(*measure.Meminfo) *uint64) func(bench.Sample) *uint64 {
	return func(s bench.Sample) *uint64 {
		if s.Mem == nil {
			return nil
		}
		return of(s.Mem)
	}
}

// difference returns what each zombie of a dressed army holds beyond one of a
// naked one.
func difference(lab *bench.Lab, naked, dressed *army, n float64) (values []results.Value) {
	total := 0.0
	for _, i := range instruments() {
		gain := (*army).gain
		if i.unit == unitKmem {
			gain = (*army).rise
		}
		a, ok1 := gain(naked, i.read)
		b, ok2 := gain(dressed, i.read)
		if !ok1 || !ok2 {
			continue
		}
		values = append(values, results.Value{Unit: i.unit, Value: (b - a) / n})
		switch i.unit {
		case unitSlab, unitPercpu, unitVmalloc:
			total += (b - a) / n
		}
	}
	if naked.after.Mem != nil && dressed.after.Mem != nil {
		values = append(values, results.Value{Unit: unitTotal, Value: total})
	}
	if naked.slabRead() && dressed.slabRead() {
		values = append(values, results.Value{Unit: unitObjects, Value: dressed.objects(lab, n) - naked.objects(lab, n)})
	}
	return values
}

// slabRead reports whether slab caches were read each time.
func (a *army) slabRead() bool {
	return a.before.Slab != nil && a.after.Slab != nil && a.reaped.Slab != nil
}

// objects returns the size of the slab objects that came with each zombie, of
// caches that are not reclaimable, and went with it. How many of a cache a zombie
// has is a whole number, so that what others take or give back drops out in
// rounding.
func (a *army) objects(lab *bench.Lab, n float64) (bytes float64) {
	for _, c := range a.after.Slab.Caches {
		if lab.Instruments.Reclaimable(c.Name) {
			continue
		}
		read := func(s bench.Sample) *uint64 {
			line, _ := s.Slab.Lookup(c.Name)
			return &line.ActiveObjs
		}
		up, _ := bench.Change(read(a.before), read(a.after))
		down, _ := bench.Change(read(a.reaped), read(a.after))
		bytes += math.Round(max(0, min(up, down))/n) * float64(c.ObjSize)
	}
	return bytes
}

// left says what is not back where it was. Whole pages of memory that is kept
// for each CPU are given back late, if ever.
func left(lab *bench.Lab, before, now bench.Sample) (all []string) {
	for _, i := range instruments() {
		moved, ok := bench.Change(i.read(before), i.read(now))
		if ok && math.Abs(moved) > tolerance(lab, i.unit) {
			unit, _, _ := strings.Cut(i.unit, "/")
			all = append(all, fmt.Sprintf("%+.0f %s", moved, unit))
		}
	}
	return all
}

// tolerance is what an instrument may differ by between two quiet moments.
func tolerance(lab *bench.Lab, unit string) float64 {
	switch unit {
	case unitKmem:
		return float64(lab.KmemTolerance())
	case unitDying:
		return dyingSlack(lab, 0)
	}
	return 16 * bench.SlabTolerance // of the whole system
}
