package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

// kmemTolerance is by how much a cgroup's kernel memory may differ, in bytes,
// between two moments at which it holds the same objects. Objects are charged by
// the page, and what is left of the pages is kept, up to a page in the stock of
// each CPU and up to one with the cgroup (mm/memcontrol.c, obj_stock and
// nr_charged_bytes): two pages were seen on machines of one CPU, on larger ones
// never more than one for each CPU.
//
// Where measure.Memcg.Batched holds, each CPU keeps back up to 32 pages of
// change (MEMCG_CHARGE_BATCH): a difference of two readings may be off by twice
// that.
func (l *Lab) kmemTolerance() uint64 {
	pages := max(2, l.Machine.CPUs)
	if l.Instruments.batched {
		pages = 2 * 32 * l.Machine.CPUs
	}
	return uint64(pages * l.Machine.PageSize)
}

func (l *Lab) doing(what string) {
	if l.Doing != nil {
		l.Doing(what)
	}
}

// A Trial is one measurement: what the instruments read before, with and
// after an army.
type Trial struct {
	Setup
	Before, After, Reaped Sample
	Spawn                 time.Duration // from the first spawn until the last child was seen dead
	Ends                  results.Ends  // how the children ended
	Broken                string        // why it does not count; "" if it does
	Noisy                 []string      // doubts; it counts all the same
}

// cleanupTime bounds what is done to leave nothing behind after a trial that
// was interrupted.
const cleanupTime = 10 * time.Second

// Trial raises one army in a fresh cgroup, measures it and reaps it again.
// An army that was not what it should have been makes a broken trial; an
// error is for what would spoil the following trials too: the context ended,
// the daemon cannot be started, an instrument fails. In either case nothing
// of the trial is left running or standing.
func (l *Lab) Trial(ctx context.Context, s Setup) (trial *Trial, err error) {
	cleanup, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	sampler := sampler{fs: l.FS, release: measure.Release(l.Machine.Kernel), instruments: l.Instruments}
	var start daemon.Starter = (*exec.Cmd).Start
	l.trials++
	if l.place != nil {
		cg, err2 := l.place.Fresh(strconv.Itoa(l.trials))
		if err2 != nil {
			return nil, err2
		}
		defer func() { err = errors.Join(err, remove(cleanup, cg)) }()
		start, sampler.cgroup = cg.Start, cg
	}
	l.doing("starting zombied")
	d, err := daemon.Start(ctx, start, daemon.Options{
		Binary: l.Zombied, Args: l.DaemonArgs,
		Count: s.Count, Parallel: s.Parallel, Spawn: s.Spawn,
		PidNS: s.pidNS(), Init: l.init,
	})
	if err != nil { // children of a daemon that was stopped as it began came to us
		return nil, errors.Join(err, l.collect(cleanup, sampler.cgroup))
	}
	defer func() {
		stopErr := d.Stop(cleanup)
		if _, dead := errors.AsType[*daemon.ExitError](stopErr); dead && trial != nil && trial.Broken != "" {
			stopErr = nil // it broke the trial by ending: said already
		}
		err = errors.Join(err, stopErr, l.collect(cleanup, sampler.cgroup))
	}()

	trial = &Trial{Setup: s}
	err = l.measure(ctx, trial, d, sampler)
	if exit, ok := errors.AsType[*daemon.ExitError](err); ok {
		trial.Broken = exit.Error()
		return trial, nil
	}
	if err != nil {
		return nil, err
	}
	return trial, nil
}

// measure takes the three samples of a trial around the life of its army and
// checks the invariants.
func (l *Lab) measure(ctx context.Context, t *Trial, d *daemon.Daemon, s sampler) error {
	threads := d.Last().Threads
	settling := l.Settling
	settling.Within += time.Duration(t.Count) * settlePerZombie
	sample := func(when string, reached func(Sample) bool) (Sample, error) {
		l.doing("settling " + when)
		sample, restless, err := l.settle(ctx, s, settling, reached)
		if err != nil {
			return sample, fmt.Errorf("sampling %s: %w", when, err)
		}
		if restless != "" {
			t.Noisy = append(t.Noisy, fmt.Sprintf("%s did not stand still within %v %s", restless, settling.Within.Round(100*time.Millisecond), when))
		}
		return sample, nil
	}
	progress := func(r daemon.Report) {
		if r.Phase == daemon.Raising || r.Phase == daemon.Reaping {
			l.doing(fmt.Sprintf("%s, %d stand", r.Phase, r.Standing))
		}
	}

	// The first order that the daemon follows costs it a page that it keeps:
	// let that be one that raises nothing, or controls would be a page above 0.
	if _, err := d.Reap(ctx, nil); err != nil {
		return err
	}
	var err error
	if t.Before, err = sample("before the army", nil); err != nil {
		return err
	}
	l.doing("raising")
	raised, err := d.Raise(ctx, progress)
	if err != nil {
		return err
	}
	t.Spawn = raised.Spawn
	if t.After, err = sample("with the army", nil); err != nil {
		return err
	}
	l.doing("reaping")
	reaped, err := d.Reap(ctx, progress)
	if err != nil {
		return err
	}
	t.Ends = results.Ends{Known: true, Signals: reaped.Signals, Exited: reaped.Exited, Killed: reaped.Killed, Dumped: reaped.Dumped}
	if t.Reaped, err = sample("after the reap", func(s Sample) bool { return l.returned(t.Before, s) == "" }); err != nil {
		return err
	}
	t.Broken = l.broken(t, raised, threads, reaped.Threads)
	t.Noisy = append(t.Noisy, l.foreign(t)...)
	return nil
}

// settlePerZombie is how much longer the kernel may take to settle for each
// zombie: a million are freed in some seconds.
const settlePerZombie = 10 * time.Microsecond

// settle waits for a quiet kernel and returns its last reading. All slab caches
// are shrunk before the first reading, and before each further one those that
// have changed since: a cache costs a millisecond where the kernel is emulated.
func (l *Lab) settle(ctx context.Context, s sampler, settling Settling, reached func(Sample) bool) (Sample, string, error) {
	caches := l.Instruments.caches
	var last *measure.Slabinfo
	return settling.settle(ctx, systemClock{}, func() (Sample, error) {
		gracePeriod()
		for _, cache := range caches {
			// A cache may have gone with its module.
			if err := l.FS.ShrinkSlab(cache); err != nil && !errors.Is(err, measure.ErrNotSupported) {
				return Sample{}, err
			}
		}
		sample, err := s.sample()
		if sample.Slab != nil {
			caches = nil
			if last != nil {
				caches = changed(*last, *sample.Slab, l.Instruments.caches)
			}
			last = sample.Slab
		}
		return sample, err
	}, reached)
}

// changed returns those caches that differ between two readings.
func changed(a, b measure.Slabinfo, caches []string) []string {
	return slices.DeleteFunc(slices.Clone(caches), func(name string) bool {
		before, ok1 := a.Lookup(name)
		after, ok2 := b.Lookup(name)
		return ok1 && ok2 && before == after
	})
}

// returned says what has not come back to where it was before the army; ""
// if all has.
func (l *Lab) returned(before, reaped Sample) string {
	switch {
	case before.Pids != nil && *before.Pids != *reaped.Pids:
		return fmt.Sprintf("pids.current is %d after the reap and was %d before the army", *reaped.Pids, *before.Pids)
	case before.Kmem != nil && distance(*before.Kmem, *reaped.Kmem) > l.kmemTolerance():
		return fmt.Sprintf("kernel memory changed by %+.0f B over the whole trial, which is more than %d B: a kernel leak, or a foreign process in the cgroup",
			delta(*before.Kmem, *reaped.Kmem), l.kmemTolerance())
	}
	return ""
}

// broken checks the invariants of a trial and returns the first that does not
// hold.
func (l *Lab) broken(t *Trial, raised daemon.Report, threadsBefore, threadsAfter int) string {
	if raised.Standing != t.Count {
		why := raised.Error
		if why == "" {
			why = "zombied gives no reason"
		}
		return fmt.Sprintf("%d of %d zombies stand: %s", raised.Standing, t.Count, why)
	}
	if raised.Threads != threadsBefore || threadsAfter != threadsBefore {
		return fmt.Sprintf("zombied's threads changed from %d to %d to %d", threadsBefore, raised.Threads, threadsAfter)
	}
	if t.Before.Pids != nil {
		if grown := delta(*t.Before.Pids, *t.After.Pids); grown != float64(t.Count) {
			return fmt.Sprintf("pids.current grew by %.0f and not by %d", grown, t.Count)
		}
	}
	if ended := t.Ends.Exited + t.Ends.Killed + t.Ends.Dumped; ended != uint64(t.Count) {
		return fmt.Sprintf("%d of %d zombies were reaped", ended, t.Count)
	}
	if t.Count == 0 && t.Before.Kmem != nil && distance(*t.Before.Kmem, *t.After.Kmem) > l.kmemTolerance() {
		return fmt.Sprintf("kernel memory changed by %+.0f B without an army, which is more than %d B", delta(*t.Before.Kmem, *t.After.Kmem), l.kmemTolerance())
	}
	return l.returned(t.Before, t.Reaped)
}

// Result returns the trial as the line of a result file.
func (l *Lab) Result(t *Trial) results.Trial {
	r := results.Trial{
		Bench: t.Bench, Params: t.Params(), N: max(t.Count, 1),
		Broken: t.Broken, Noisy: t.Noisy, Ends: t.Ends,
	}
	for _, s := range []struct {
		when string
		Sample
	}{{"before", t.Before}, {"after", t.After}, {"reaped", t.Reaped}} {
		if readings := s.String(); readings != "" {
			r.Notes = append(r.Notes, s.when+": "+readings)
		}
	}
	put := func(unit string, value float64) { r.Values = append(r.Values, results.Value{Unit: unit, Value: value}) }
	if t.After.none() {
		return r // it broke before there was anything to compare
	}
	if t.Bench == results.Control {
		if t.After.Kmem != nil {
			put("kmem-B", delta(*t.Before.Kmem, *t.After.Kmem))
		}
		if t.After.Mem != nil {
			put("slab-B", delta(t.Before.Mem.Slab, t.After.Mem.Slab))
			put("sunreclaim-B", delta(t.Before.Mem.SUnreclaim, t.After.Mem.SUnreclaim))
		}
		if t.After.Pids != nil {
			put("pids", delta(*t.Before.Pids, *t.After.Pids))
		}
		return r
	}
	n := float64(t.Count)
	if t.After.Kmem != nil {
		put(results.UnitKmem, 1000*delta(*t.Before.Kmem, *t.After.Kmem)/n)
	}
	if t.After.Slab != nil {
		put(results.UnitForetold, 1000*measure.PredictCharge(*t.Before.Slab, *t.After.Slab, uint64(t.Count), l.Instruments.uncharged))
	}
	if t.After.Mem != nil {
		put(results.UnitSlab, 1000*delta(t.Before.Mem.Slab, t.After.Mem.Slab)/n)
		put(results.UnitSUnreclaim, 1000*delta(t.Before.Mem.SUnreclaim, t.After.Mem.SUnreclaim)/n)
	}
	if t.After.Slab != nil {
		before, _ := t.Before.Slab.Lookup(taskStruct)
		after, _ := t.After.Slab.Lookup(taskStruct)
		put(results.UnitTaskStruct, delta(before.ActiveObjs, after.ActiveObjs)/n)
		put(results.UnitTaskStructBytes, 1000*delta(before.Bytes(l.Machine.PageSize), after.Bytes(l.Machine.PageSize))/n)
	}
	if t.After.Pids != nil {
		put(results.UnitPids, delta(*t.Before.Pids, *t.After.Pids)/n)
	}
	if t.Spawn > 0 {
		put(results.UnitTime, float64(t.Spawn.Nanoseconds())/n)
	}
	return r
}

// remove removes a trial's cgroup.
func remove(ctx context.Context, cg *cgroup.Cgroup) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	return cg.Remove(ctx)
}

// collect takes in the zombies that a daemon left to us when it ended with
// its army standing or half raised.
func (l *Lab) collect(ctx context.Context, cg *cgroup.Cgroup) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	_, err := daemon.CollectOrphans(ctx, l.own(), func() bool {
		if cg == nil {
			return false
		}
		n, err := cg.Pids().Current()
		return err == nil && n > 0
	})
	return err
}
