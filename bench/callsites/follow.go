package callsites

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/dress"
	"zombench/measure"
	"zombench/measure/kmemtrace"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench         = "CallSites"
	UnitObjects   = "objects/zombie"     // that are retained
	UnitAllocated = "allocated-B/zombie" // that they take
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{spawns: []string{"exec"}}
	return bench.Experiment{
		Name:    "callsites",
		Asks:    "which functions of the kernel allocate what a zombie keeps?",
		Zombied: true,
		Samples: 1,
		Units: []results.Unit{
			{Name: UnitObjects, Meta: "better=lower", Meaning: "slab objects that one zombie keeps, by the kmem tracepoints"},
			{Name: UnitAllocated, Meta: "better=lower", Meaning: "bytes of these"},
		},
		Fields: []bench.Field{
			{Name: "spawn", Usage: "ways of spawning: exec, os-exec, clone", Value: bench.Words(&p.spawns, "exec", "os-exec", "clone")},
			dress.Field(&p.dresses),
		},
		Setups: p.setups,
	}
}

// A plan is what the user may set: dresses are instead of spawns.
type plan struct{ spawns, dresses []string }

func (p *plan) setups() ([]bench.Setup, error) {
	if err := bench.AtLeastOne("spawn", p.spawns, "way of spawning"); err != nil {
		return nil, err
	}
	var setups []bench.Setup
	if len(p.dresses) > 0 {
		for _, outfit := range p.dresses {
			s := setup("clone", dress.Args(outfit)...)
			s.Params = append(s.Params, results.Param{Key: "dress", Value: outfit})
			s.About = "who allocates what a dressed zombie keeps: " + dress.About(outfit)
			setups = append(setups, s)
		}
		return setups, nil
	}
	for _, spawn := range p.spawns {
		setups = append(setups, setup(spawn))
	}
	return setups, nil
}

func setup(spawn string, args ...string) bench.Setup {
	o := daemon.Options{Count: zombies, Parallel: 1, Spawn: spawn, Args: args}
	return bench.Setup{
		Bench: Bench, Params: []results.Param{{Key: "spawn", Value: spawn}},
		About: "who allocates what a zombie keeps that was raised by " + spawn,
		Group: Bench, Last: true,
		Needs: []bench.Need{bench.NeedRoot, bench.NeedCgroup, NeedTracing},
		Army:  bench.Army{Zombies: zombies, Tasks: 1, Spawn: spawn},
		Run:   func(ctx context.Context, s *bench.Site) error { return run(ctx, s, o) },
	}
}

// NeedTracing is the need for the kmem tracepoints and the kernel's symbols.
var NeedTracing = bench.Need{Name: "tracepoints", Check: tracing}

// tracing reports why these cannot be had.
func tracing(h *bench.Host) error {
	err := kmemtrace.SymbolsAvailable(h.FS)
	if err == nil {
		err = kmemtrace.Available(h.FS)
	}
	return err
}

// zombies is how many are followed: enough to tell what each of them keeps
// from what their parent happens to do.
const zombies = 16

// attempts is how often a trace with gaps is taken again.
const attempts = 3

// run raises a handful of zombies and follows their allocations.
func run(ctx context.Context, s *bench.Site, o daemon.Options) error {
	symbols, err := kmemtrace.ReadSymbols(s.Lab.FS)
	if err != nil {
		return err
	}
	slab, err := s.Lab.FS.Slabinfo()
	if err != nil {
		return err
	}
	sizes := make(map[string]uint64) // bytes asked for, by cache
	for _, c := range slab.Caches {
		if cache, err := s.Lab.FS.SlabCache(c.Name); err == nil {
			sizes[c.Name] = cache.ObjectSize
		}
	}
	name := Resolve{Function: symbols.Caller, Caches: func(e kmemtrace.Event) []string { return fitting(slab, sizes, e) }}
	d, err := s.Zombied(ctx, o)
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		err := follow(ctx, s, d, name)
		switch {
		case !errors.Is(err, kmemtrace.ErrLost):
			return err
		case i == attempts:
			return bench.Brokenf("%v", err)
		}
		if _, err := s.Reap(ctx, d); err != nil {
			return err
		}
		s.Again()
	}
}

func follow(ctx context.Context, s *bench.Site, d *daemon.Daemon, name Resolve) error {
	before, err := s.Settle(ctx, "before", nil)
	if err != nil {
		return err
	}
	parents, err := s.Lab.FS.Tasks(d.Pid())
	if err != nil {
		return err
	}
	trace, err := kmemtrace.Start(s.Lab.FS)
	if err != nil {
		return err
	}
	defer trace.Close()
	// What was freed on the way is freed for good before the army is complete:
	// objects are given back after grace periods, and settling waits for these.
	if _, err := s.RaiseAll(ctx, d, zombies); err != nil {
		return err
	}
	if _, err := s.Settle(ctx, "after", nil); err != nil {
		return err
	}
	raised, err := trace.Take()
	if err != nil {
		return err
	}
	idle, err := keepAwake()
	if err != nil {
		return err
	}
	_, err = s.Reap(ctx, d)
	if err == nil {
		_, err = s.SettleBack(ctx, "reaped", before)
	}
	if err := errors.Join(err, idle()); err != nil {
		return err
	}
	reaped, err := trace.Take()
	if err != nil {
		return err
	}
	followed, sites := Match(parents, raised, reaped, name)
	if followed != zombies {
		return fmt.Errorf("%d zombies were to be followed and %d forks were seen: %w", zombies, followed, measure.ErrMalformed)
	}
	if n := tasks(sites); n != zombies {
		return fmt.Errorf("%d of %d tasks were seen to be freed: %w", n, zombies, kmemtrace.ErrLost)
	}
	var objects, allocated uint64
	for _, site := range sites {
		objects += site.Objects
		allocated += site.Objects * site.Allocated
	}
	s.Result.Sites = sites
	s.Put(UnitObjects, float64(objects)/zombies)
	s.Put(UnitAllocated, float64(allocated)/zombies)
	return nil
}

// tasks returns how many task_structs are among the objects of call sites.
func tasks(sites []results.CallSite) (n uint64) {
	for _, s := range sites {
		if slices.Contains(s.Caches, bench.TaskStruct) {
			n += s.Objects
		}
	}
	return n
}

// fitting names the caches that an allocation may be from. The general ones
// have their size in their name, and those for accounted memory are apart
// since Linux 5.14; of the others the sizes have to do.
func fitting(slab measure.Slabinfo, requested map[string]uint64, e kmemtrace.Event) []string {
	var names, apart []string
	for _, c := range slab.Caches {
		general := strings.HasPrefix(c.Name, "kmalloc-")
		switch {
		case c.ObjSize != e.Allocated || general != e.General:
		case general && strings.HasPrefix(c.Name, "kmalloc-rcl-"):
		case general && strings.HasPrefix(c.Name, "kmalloc-cg-"):
			apart = append(apart, c.Name)
		case general || requested[c.Name] == e.Requested:
			names = append(names, c.Name)
		}
	}
	if e.Accounted == kmemtrace.Yes && len(apart) > 0 {
		names = apart
	}
	if len(names) == 0 {
		return []string{fmt.Sprintf("of %d B", e.Allocated)}
	}
	slices.Sort(names)
	return names
}
