package memory

import (
	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/dress"
	"zombench/results"
)

// A trial is what was read of one army.
type trial struct {
	army
	lab                   *bench.Lab
	before, after, reaped bench.Sample
	threads               int           // of zombied, before the army
	raise, reap           daemon.Report // what zombied said when it had done each
	forked, looked        []string      // who did, meanwhile
}

// run runs one trial.
func (a army) run(s *bench.Steps) {
	s.ReadSystem()
	t := &trial{army: a, lab: s.Lab}
	o := daemon.Options{Count: a.count, Parallel: a.parallel, Spawn: a.spawn, PidNS: a.levels()}
	if a.dress != "" {
		o.Args = dress.Args(a.dress)
	}
	d := s.Zombied(o)
	s.Step(func() error {
		t.threads = d.Last().Threads
		// The first order that the daemon follows costs it a page that it keeps:
		// let that be one that raises nothing, or controls would be a page above 0.
		_, err := d.Reap(s.Ctx, nil)
		return err
	})
	t.before = s.Settle("before")
	t.raise = s.Raise(d)
	t.after = s.Settle("after")
	if s.Err != nil {
		return
	}
	s.Result.Values = t.values()
	s.Looked(a.count)
	t.forked, t.looked = s.Disturbers()
	t.reap = s.Reap(d)
	s.Step(func() (err error) {
		s.Result.Ends = t.ends()
		t.reaped, err = s.SettleCgroup(s.Ctx, "reaped", t.before)
		return err
	})
	if s.Err != nil {
		return
	}
	s.Result.Values = t.values() // the reap has told more of whose objects they were
	for _, warning := range t.noise() {
		s.Warn("%s", warning)
	}
	s.Step(t.broken)
}

// ends returns how the children ended.
func (t *trial) ends() results.Ends {
	return results.Ends{Known: true, Signals: t.reap.Signals, Exited: t.reap.Exited, Killed: t.reap.Killed, Dumped: t.reap.Dumped}
}

// broken returns the first invariant that does not hold; nil if all do.
func (t *trial) broken() error {
	if err := bench.Complete(t.raise, t.count); err != nil {
		return err
	}
	if t.raise.Threads != t.threads || t.reap.Threads != t.threads {
		return bench.Brokenf("zombied's threads changed from %d to %d to %d", t.threads, t.raise.Threads, t.reap.Threads)
	}
	if grown, ok := bench.Change(t.before.Pids, t.after.Pids); ok && grown != float64(t.count) {
		return bench.Brokenf("pids.current grew by %.0f and not by %d", grown, t.count)
	}
	if e := t.ends(); e.Exited+e.Killed+e.Dumped != uint64(t.count) {
		return bench.Brokenf("%d of %d zombies were reaped", e.Exited+e.Killed+e.Dumped, t.count)
	}
	tolerance := float64(t.lab.KmemTolerance())
	if moved, ok := bench.Change(t.before.Kmem, t.after.Kmem); ok && t.count == 0 && max(moved, -moved) > tolerance {
		return bench.Brokenf("kernel memory changed by %+.0f B without an army, which is more than %.0f B", moved, tolerance)
	}
	if why := t.lab.Returned(t.before, t.reaped); why != "" {
		return bench.Brokenf("%s", why)
	}
	return nil
}

// Values returns what each of count zombies, or a thousand of them, hold: the
// difference of two samples of the whole system and of their cgroup.
func Values(lab *bench.Lab, count int, before, after bench.Sample) []results.Value {
	t := &trial{army: army{count: count}, lab: lab, before: before, after: after}
	return t.values()
}

// values returns what one zombie or a thousand of them hold, or by how much a
// control moved.
func (t *trial) values() (values []results.Value) {
	put := func(unit string, v float64) { values = append(values, results.Value{Unit: unit, Value: v}) }
	suffix, per, n := "", 1.0, float64(t.count)
	if t.count > 0 {
		suffix, per = "/1000zombies", 1000/n
	}
	change := func(unit string, before, after *uint64) {
		if v, ok := bench.Change(before, after); ok {
			put(unit+suffix, v*per)
		}
	}
	change("kmem-B", t.before.Kmem, t.after.Kmem)
	if t.after.Slab != nil && t.count > 0 {
		put(results.UnitPredicted, 1000*t.predicted())
	}
	if t.after.Mem != nil {
		change("slab-B", &t.before.Mem.Slab, &t.after.Mem.Slab)
		change("sunreclaim-B", &t.before.Mem.SUnreclaim, &t.after.Mem.SUnreclaim)
	}
	pids, hasPids := bench.Change(t.before.Pids, t.after.Pids)
	if t.count == 0 {
		if hasPids {
			put("pids", pids)
		}
		return values
	}
	if t.after.Slab != nil {
		before, _ := t.before.Slab.Lookup(bench.TaskStruct)
		after, _ := t.after.Slab.Lookup(bench.TaskStruct)
		pageSize := t.lab.Machine.PageSize
		put(results.UnitTaskStruct, bench.Delta(before.ActiveObjs, after.ActiveObjs)/n)
		put(results.UnitTaskStructBytes, per*bench.Delta(before.Bytes(pageSize), after.Bytes(pageSize)))
	}
	if hasPids {
		put(results.UnitPids, pids/n)
	}
	if t.raise.Spawn > 0 {
		put(results.UnitTime, float64(t.raise.Spawn.Nanoseconds())/n)
	}
	return values
}
