// Package watchers finds out who looks at zombies on this host: monitors, agents,
// a pid 1 that walks /proc. Each look at /proc/PID leaves a dentry and an inode,
// which fatten what the instruments that see the whole system weigh.
//
// A trial raises small armies again and again for some seconds, so that every
// look finds pids that nobody has looked at before, and traces who allocates
// inodes below /proc meanwhile. Out flow the watchers by name, with how often they
// look and what each look leaves. It is not for what a look costs: that is package
// watched's to measure.
package watchers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"zombench/bench"
	"zombench/bench/callsites"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/measure/kmemtrace"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench       = "Watchers"
	UnitCount   = "watchers"  // programs
	UnitObjects = "objects/s" // dentries, inodes and blobs that all of them left
	UnitBytes   = "B/s"       // of these
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{watch: 12 * time.Second, renew: 250 * time.Millisecond}
	return bench.Experiment{
		Name:    "watchers",
		Asks:    "who looks at zombies on this host, and what does it leave?",
		Zombied: true,
		Samples: 1,
		Units: []results.Unit{
			{Name: UnitCount, Meaning: "programs that looked at the zombies; each is named in a comment"},
			{Name: UnitObjects, Meta: "better=lower", Meaning: "dentries, inodes and their blobs that they left a second"},
			{Name: UnitBytes, Meta: "better=lower", Meaning: "bytes of these"},
		},
		Fields: []bench.Field{
			{Name: "watch", Usage: "how long to look for watchers", Value: bench.Duration(&p.watch, time.Second)},
			{Name: "renew", Usage: "how long each small army is there", Value: bench.Duration(&p.renew, 10*time.Millisecond)},
		},
		Setups: p.setups,
	}
}

type plan struct{ watch, renew time.Duration }

// zombies is the size of the small armies: whoever walks over all processes
// makes at least one inode for each of them.
const zombies = 64

func (p *plan) setups() ([]bench.Setup, error) {
	return []bench.Setup{{
		Bench: Bench, Params: []results.Param{{Key: "count", Value: fmt.Sprint(zombies)}},
		About: "who walks over zombies below /proc",
		Group: Bench, Last: true,
		Needs: []bench.Need{bench.NeedRoot, bench.NeedCgroup, callsites.NeedTracing},
		Army:  bench.Army{Zombies: zombies, Tasks: 1},
		Run:   p.run,
	}}, nil
}

func (p *plan) run(ctx context.Context, s *bench.Site) error {
	symbols, err := kmemtrace.ReadSymbols(s.Lab.FS)
	if err != nil {
		return err
	}
	d, err := s.Zombied(ctx, daemon.Options{Count: zombies, Parallel: 1, Spawn: "clone"})
	if err != nil {
		return err
	}
	trace, err := kmemtrace.Start(s.Lab.FS)
	if err != nil {
		return err
	}
	defer func() { trace.Close() }()
	s.Doing(fmt.Sprintf("looking for watchers, %v", p.watch))
	names := &commands{fs: s.Lab.FS, trace: trace, known: make(map[int32]string)}
	var events []kmemtrace.Event
	armies, lost := 0, 0
	start := time.Now()
	for time.Since(start) < p.watch {
		if _, err := d.Raise(ctx, nil); err != nil {
			return err
		}
		if err := bench.Sleep(ctx, p.renew); err != nil {
			return err
		}
		more, err := trace.Take()
		switch {
		case errors.Is(err, kmemtrace.ErrLost): // what is left of this army is worth nothing
			lost++
			trace.Close()
			if trace, err = kmemtrace.Start(s.Lab.FS); err != nil {
				return err
			}
			names.trace = trace
		case err != nil:
			return err
		default:
			events = append(events, names.looks(more, symbols)...)
		}
		armies++
		if _, err := d.Reap(ctx, nil); err != nil {
			return err
		}
	}
	if lost > armies/2 {
		return bench.Brokenf("of %d armies the traces of %d have gaps: the system is too busy to trace", armies, lost)
	}
	elapsed := time.Since(start).Seconds()
	self := int32(os.Getpid())
	s.Result.Watchers = find(events, zombies/2, symbols.Caller, names.of, func(pid int32) bool { return pid == self || pid == int32(d.Pid()) })
	var objects, bytes uint64
	for _, w := range s.Result.Watchers {
		objects += w.Objects
		bytes += w.Bytes
	}
	s.Put(UnitCount, float64(len(s.Result.Watchers)))
	s.Put(UnitObjects, float64(objects)/elapsed)
	s.Put(UnitBytes, float64(bytes)/elapsed)
	return nil
}

// commands knows the programs that tasks run.
type commands struct {
	fs    measure.FS
	trace *kmemtrace.Trace
	known map[int32]string
}

// looks returns those events that find may use, so that the others need not be
// kept, and finds out what tasks that look are called while they are there.
func (c *commands) looks(events []kmemtrace.Event, symbols *kmemtrace.Symbols) []kmemtrace.Event {
	var kept []kmemtrace.Event
	for _, e := range events {
		switch e.Kind {
		case kmemtrace.Free:
			kept = append(kept, e)
		case kmemtrace.Alloc:
			name := symbols.Caller(e.CallSite)
			if name == allocInode {
				c.of(e.Task)
			}
			if isLook(name) {
				kept = append(kept, e)
			}
		}
	}
	return kept
}

// of returns what a task is called, "?" if it is gone.
func (c *commands) of(task int32) string {
	if name := c.trace.Name(task); name != "" {
		return name
	}
	if name, ok := c.known[task]; ok {
		return name
	}
	name := "?"
	if p, err := c.fs.Status(int(task)); err == nil {
		name = p.Name
	}
	c.known[task] = name
	return name
}
