// Package ends measures how zombies end: who collects them and in what time
// (Reap), what the order of waiting costs (WaitOrder), who adopts them (Adopt),
// what happens when there are too many (Exhaust), and what they take as long as
// they stand (Standing).
//
// It believes what package bench believes: each trial has a fresh cgroup and
// readings of a quiet kernel, trials come in random order, one that breaks an
// invariant is told and not counted, and beside each claim stands a control that
// would show it if the claim were empty. The parents it puts to the test are of
// package parent, and zombied where the daemon itself is what is asked about.
// It never endangers the machine: every limit that it runs into was set by the
// trial, for the trial's own processes.
package ends

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"zombench/bench"
	"zombench/bench/ends/parent"
	"zombench/measure"
	"zombench/results"
)

// The benchmarks, without the word Benchmark.
const (
	Reap      = "Reap"
	WaitOrder = "WaitOrder"
	Adopt     = "Adopt"
	Exhaust   = "Exhaust"
	Standing  = "Standing"
)

// A Setup is one point of a plan.
type Setup struct {
	Bench   string
	Params  []results.Param
	Control bool // shows what it looks like when nothing is done
	count   int  // zombies, or children
	run     func(*trial) error
}

// String returns the name of the setup's benchmark, such as
// Reap/method=wait/count=500.
func (s Setup) String() string { return results.Trial{Bench: s.Bench, Params: s.Params}.Name() }

// A Plan says which trials a run consists of.
type Plan struct {
	Count    int           // zombies of an army
	Parallel int           // threads that start children at the same time
	Children int           // of WaitOrder
	Step     time.Duration // of WaitOrder
	Stand    time.Duration // for how long Standing watches
	Samples  int           // trials of each setup
	Seed     uint64        // of the order of the trials
	Match    string        // as of go test -bench
}

// Validate reports the first thing in the plan that cannot be run, in words
// for the command line.
func (p Plan) Validate() error {
	switch {
	case p.Count < 1:
		return fmt.Errorf("--count: %d: an army has at least 1 zombie", p.Count)
	case p.Parallel < 1 || p.Parallel > bench.MaxParallel:
		return fmt.Errorf("--parallel: %d: want 1 to %d threads", p.Parallel, bench.MaxParallel)
	case p.Children < 1 || p.Children > 1000:
		return fmt.Errorf("--children: %d: want 1 to 1000", p.Children)
	case p.Step < time.Millisecond:
		return fmt.Errorf("--step: %v: want 1ms or more", p.Step)
	case p.Stand < time.Millisecond:
		return fmt.Errorf("--stand: %v: want 1ms or more", p.Stand)
	case p.Samples < 1:
		return fmt.Errorf("--samples: %d is too few; give 1 or more (6 or more for a 95%% interval)", p.Samples)
	}
	setups, err := p.setups()
	if err != nil {
		return err
	}
	if len(setups) == 0 {
		return fmt.Errorf("--bench: %q matches none of the planned benchmarks, such as %s", p.Match, p.all()[0])
	}
	return nil
}

// all returns every setup, those of a kind together.
func (p Plan) all() []Setup {
	var all []Setup
	for _, kind := range []func(Plan) []Setup{reapSetups, orderSetups, adoptSetups, exhaustSetups, standingSetups} {
		all = append(all, kind(p)...)
	}
	return all
}

// setups returns the setups that match, and the controls of their kind.
func (p Plan) setups() ([]Setup, error) {
	match, err := bench.Matcher(p.Match)
	if err != nil {
		return nil, err
	}
	all := p.all()
	wanted := make(map[string]bool) // kinds of which something matches
	for _, s := range all {
		if !s.Control && match(s.String()) {
			wanted[s.Bench] = true
		}
	}
	var setups []Setup
	for _, s := range all {
		if match(s.String()) || s.Control && wanted[s.Bench] {
			setups = append(setups, s)
		}
	}
	return setups, nil
}

// Trials returns the trials of a valid plan in the order in which they are to
// be run: rounds, each holding every setup once in random order.
func (p Plan) Trials() []Setup {
	setups, _ := p.setups() // Validate tells
	rng := rand.New(rand.NewPCG(p.Seed, 0))
	trials := make([]Setup, 0, len(setups)*p.Samples)
	for range p.Samples {
		for _, i := range rng.Perm(len(setups)) {
			trials = append(trials, setups[i])
		}
	}
	return trials
}

// A Hall is a lab and what this package needs besides.
type Hall struct {
	Lab    *bench.Lab
	Parent []string // arguments with which this program becomes a parent: its main calls parent.Main with those behind them
}

// A Watcher is told how a run proceeds.
type Watcher interface {
	Begin(i, n int, s Setup) // trial i of n, from 0, begins
	Doing(what string)       // what the trial is at
	End(results.Trial)       // it ended
}

// A Skip is a benchmark that cannot be run here, and why.
type Skip struct {
	Setup Setup
	Err   error
}

// A Tally is what became of a run.
type Tally struct {
	bench.Tally
	Skipped []Skip // each setup once
}

// Run runs the trials of the plan, each recorded as soon as it ended. What this
// machine cannot do is skipped, with a reason.
func (h Hall) Run(ctx context.Context, p Plan, rec bench.Recorder, w Watcher) (Tally, error) {
	trials := p.Trials()
	tally := Tally{Tally: bench.Tally{Planned: len(trials)}}
	skipped := make(map[string]bool)
	for i, setup := range trials {
		if skipped[setup.String()] {
			tally.Planned--
			continue
		}
		w.Begin(i, len(trials), setup)
		result, err := h.Trial(ctx, setup, w.Doing)
		switch {
		case err != nil && unsupported(err):
			skipped[setup.String()] = true
			tally.Planned--
			tally.Skipped = append(tally.Skipped, Skip{setup, err})
			continue
		case err != nil:
			return tally, fmt.Errorf("trial %d of %d (%s): %w", i+1, len(trials), setup, err)
		case result.Broken != "":
			tally.Broken++
		case len(result.Noisy) > 0:
			tally.Noisy++
		default:
			tally.Good++
		}
		if err := rec.WriteTrial(result); err != nil {
			return tally, fmt.Errorf("recording trial %d of %d: %w", i+1, len(trials), err)
		}
		w.End(result)
	}
	return tally, nil
}

// patience bounds a trial that does not come to its end.
const patience = 2 * time.Minute

// Trial runs one trial. An error that is measure.ErrNotSupported or
// measure.ErrNotPermitted means that this machine cannot do it; what went
// otherwise than it has to makes a broken trial.
func (h Hall) Trial(ctx context.Context, s Setup, doing func(string)) (result results.Trial, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the trial was given up after %v", patience))
	defer cancel()
	t := &trial{
		Setup: s, hall: h, ctx: ctx, say: doing,
		result: results.Trial{Bench: s.Bench, Params: s.Params, N: max(s.count, 1)},
	}
	if s.Control {
		t.result.Bench = results.Control
		t.result.Params = append([]results.Param{{Key: "of", Value: s.Bench}}, s.Params...)
	}
	if t.site, err = h.Lab.Site(); err != nil {
		return t.result, err
	}
	defer func() {
		for i := len(t.parents) - 1; i >= 0; i-- {
			closeErr := t.parents[i].Close()
			if err == nil && t.result.Broken == "" {
				err = closeErr
			}
		}
		err = errors.Join(err, t.site.Close())
	}()
	err = s.run(t)
	if broken, ok := errors.AsType[*brokenError](err); ok {
		t.result.Broken, err = broken.Error(), nil
	}
	return t.result, err
}

// A trial is a setup at work.
type trial struct {
	Setup
	hall    Hall
	site    *bench.Site
	ctx     context.Context // of this trial alone
	say     func(string)
	result  results.Trial
	parents []*parent.Client // to be closed
}

// A brokenError is why a trial does not count.
type brokenError struct{ why string }

func (e *brokenError) Error() string { return e.why }

func brokenf(format string, args ...any) error { return &brokenError{fmt.Sprintf(format, args...)} }

func (t *trial) doing(what string) {
	if t.say != nil {
		t.say(what)
	}
}

func (t *trial) put(unit string, value float64) {
	t.result.Values = append(t.result.Values, results.Value{Unit: unit, Value: value})
}

func (t *trial) note(format string, args ...any) {
	t.result.Notes = append(t.result.Notes, fmt.Sprintf(format, args...))
}

// start starts a parent in the trial's cgroup.
func (t *trial) start(o parent.Options) (*parent.Client, error) {
	t.doing("starting a parent")
	o.Self = t.hall.Parent
	p, err := parent.Start(t.ctx, t.site.Start, o)
	if err != nil {
		return nil, err
	}
	t.parents = append(t.parents, p)
	return p, nil
}

// settle returns a reading of a quiet kernel.
func (t *trial) settle(when string, reached func(bench.Sample) bool) (bench.Sample, error) {
	t.doing("settling " + when)
	s, restless, err := t.site.Settle(t.ctx, reached)
	if err != nil {
		return s, fmt.Errorf("sampling %s: %w", when, err)
	}
	if restless != "" {
		t.result.Noisy = append(t.result.Noisy, fmt.Sprintf("%s did not stand still within %v %s", restless, t.hall.Lab.Settling.Within, when))
	}
	t.note("%s: %s", when, s)
	return s, nil
}

// tasks returns pids.current.
func (t *trial) tasks() (int, error) {
	n, err := t.site.Pids().Current()
	return int(n), err
}

// await looks until something holds.
func (t *trial) await(what string, every time.Duration, holds func() (bool, error)) error {
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		select {
		case <-t.ctx.Done():
			return brokenf("waited in vain: %s: %v", what, context.Cause(t.ctx))
		case <-time.After(every):
		}
	}
}

// awaitDead waits until a process is a zombie, with all of its threads: a main
// thread that has ended looks like one before its children are given away by
// the last of the others.
func (t *trial) awaitDead(pid int) error {
	return t.await(fmt.Sprintf("the death of process %d", pid), 50*time.Microsecond, func() (bool, error) {
		p, err := t.hall.Lab.FS.Process(pid)
		return p.Zombie(), err
	})
}

// childrenOf counts the children of a process by whether they are zombies.
func (t *trial) childrenOf(pid int) (zombies, living int, err error) {
	all, err := t.hall.Lab.FS.Children(pid)
	if err != nil {
		return 0, 0, err
	}
	for _, child := range all {
		p, err := t.hall.Lab.FS.Process(child)
		switch {
		case err != nil:
			return 0, 0, err
		case p.Zombie():
			zombies++
		default:
			living++
		}
	}
	return zombies, living, nil
}

// param makes parameters of a benchmark name of pairs.
func params(pairs ...string) []results.Param {
	var list []results.Param
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, results.Param{Key: pairs[i], Value: strings.ReplaceAll(pairs[i+1], "/", "_")})
	}
	return list
}

func (p Plan) army() []string {
	return []string{"count", strconv.Itoa(p.Count), "parallel", strconv.Itoa(p.Parallel)}
}

// unsupported tells whether an error means that this machine cannot do
// something.
func unsupported(err error) bool {
	return errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted)
}

// Units is the metadata of the units that this package writes.
func Units() []results.UnitMeta {
	return []results.UnitMeta{
		{Unit: UnitReapTime, Key: "better", Value: "lower"},
		{Unit: UnitKmemTime, Key: "better", Value: "lower"},
		{Unit: UnitPeak, Key: "assume", Value: "exact"},
		{Unit: UnitLeft, Key: "assume", Value: "exact"},
		{Unit: UnitKept, Key: "better", Value: "lower"},
		{Unit: UnitSteps, Key: "better", Value: "lower"},
		{Unit: UnitAdoptTime, Key: "better", Value: "lower"},
		{Unit: UnitAdopted, Key: "assume", Value: "exact"},
		{Unit: UnitRefused, Key: "assume", Value: "exact"},
		{Unit: UnitRecovers, Key: "assume", Value: "exact"},
	}
}

// notSupported makes an error say that this kernel has no such thing.
func notSupported(err error) error { return fmt.Errorf("%w: %w", measure.ErrNotSupported, err) }
