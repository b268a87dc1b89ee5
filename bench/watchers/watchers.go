// Package watchers finds out who looks at zombies on this host: monitors, agents,
// a pid 1 that walks /proc. Each look at /proc/PID leaves a dentry and an inode,
// which fatten what the instruments that see the whole system weigh.
//
// A trial raises small armies again and again for some seconds, so that every
// look finds pids that nobody has looked at before. In flow the readings of package
// looks, out flow the watchers by name, with how often they look. It is not for what
// a look costs: that is package watched's to measure.
package watchers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/looks"
	"zombench/results"
)

// Bench is the benchmark, and its unit.
const (
	Bench     = "Watchers"
	UnitCount = "watchers" // programs
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	return experiment(12 * time.Second)
}

func experiment(watch time.Duration) bench.Experiment {
	p := &plan{watch: watch, renew: 250 * time.Millisecond}
	return bench.Experiment{
		Name:    "watchers",
		Asks:    "who looks at zombies on this host?",
		Zombied: true,
		Samples: 1,
		Units: []results.Unit{
			{Name: UnitCount, Meaning: "programs that looked at the zombies; each is named in a comment"},
		},
		Fields: []bench.Field{
			{Name: "watch", Usage: "how long to look for watchers", Value: bench.Duration(&p.watch, time.Second)},
			{Name: "renew", Usage: "lifetime of each small army that a watcher may look at", Value: bench.Duration(&p.renew, 10*time.Millisecond)},
		},
		Setups: p.setups,
	}
}

// needTracing is the need for what tells who looked.
var needTracing = bench.Need{Name: "kmem tracepoints", Check: func(h *bench.Host) error { return looks.Available(h.FS) }}

type plan struct{ watch, renew time.Duration }

// zombies is the size of the small armies: whoever walks over all processes
// makes at least one inode for each of them.
const zombies = 64

func (p *plan) setups() ([]bench.Setup, error) {
	return []bench.Setup{{
		Bench: Bench, Params: []results.Param{{Key: "count", Value: fmt.Sprint(zombies)}},
		About: "who walks over zombies below /proc",
		Group: Bench, Last: true,
		Needs: []bench.Need{bench.NeedRoot, bench.NeedCgroup, needTracing},
		Army:  bench.Army{Zombies: zombies, Tasks: 1},
		Run:   bench.Stepwise(p.run),
	}}, nil
}

func (p *plan) run(s *bench.Steps) {
	s.ReadSystem()
	d := s.Zombied(daemon.Options{Count: zombies, Parallel: 1, Spawn: "clone"})
	s.Doing(fmt.Sprintf("looking for watchers, %v", p.watch))
	for start := time.Now(); s.Err == nil && time.Since(start) < p.watch; {
		s.Step(func() error { _, err := d.Raise(s.Ctx, nil); return err })
		s.Sleep(p.renew)
		s.Looked(zombies)
		s.Step(func() error { _, err := d.Reap(s.Ctx, nil); return err })
	}
	s.Put(UnitCount, float64(len(s.Result.Watchers)))
}

// Find returns who looks on this host in so much time.
func Find(ctx context.Context, o bench.Options, watch time.Duration) ([]results.Watcher, error) {
	var found last
	r := bench.Runner{Experiments: []bench.Experiment{experiment(watch)}, Options: o, Output: &found}
	_, err := r.Run(ctx)
	if err == nil && found.Broken != "" {
		err = errors.New(found.Broken)
	}
	return found.Watchers, err
}

// last is the last trial of a run.
type last struct{ results.Trial }

func (*last) WriteHeader(results.Header) error       { return nil }
func (*last) Describe(results.Cache)                 {}
func (l *last) WriteTrial(trial results.Trial) error { l.Trial = trial; return nil }
