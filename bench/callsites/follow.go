package callsites

import (
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
		Run:   bench.Stepwise(func(s *bench.Steps) { run(s, o) }),
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
func run(s *bench.Steps, o daemon.Options) {
	var symbols *kmemtrace.Symbols
	var slab measure.Slabinfo
	s.Step(func() (err error) { symbols, err = kmemtrace.ReadSymbols(s.Lab.FS); return err })
	s.Step(func() (err error) { slab, err = s.Lab.FS.Slabinfo(); return err })
	sizes := make(map[string]uint64) // bytes asked for, by cache
	for _, c := range slab.Caches {
		if cache, err := s.Lab.FS.SlabCache(c.Name); err == nil {
			sizes[c.Name] = cache.ObjectSize
		}
	}
	d := s.Zombied(o)
	if s.Err != nil {
		return
	}
	name := Resolve{Function: symbols.Caller, Caches: func(e kmemtrace.Event) []string { return fitting(slab, sizes, e) }}
	for i := 1; ; i++ {
		follow(s, d, name)
		switch {
		case !errors.Is(s.Err, kmemtrace.ErrLost):
			return
		case i == attempts:
			s.Err = bench.Brokenf("%v", s.Err)
			return
		}
		s.Err = nil
		s.Reap(d)
		s.Again()
	}
}

func follow(s *bench.Steps, d *daemon.Daemon, name Resolve) {
	before := s.Settle("before")
	var parents []int
	var trace *kmemtrace.Trace
	s.Step(func() (err error) { parents, err = s.Lab.FS.Tasks(d.Pid()); return err })
	s.Step(func() (err error) { trace, err = kmemtrace.Start(s.Lab.FS); return err })
	if s.Err != nil {
		return
	}
	defer trace.Close()
	// What was freed on the way is freed for good before the army is complete:
	// objects are given back after grace periods, and settling waits for these.
	s.RaiseAll(d, zombies)
	s.Settle("after")
	var raised, reaped []kmemtrace.Event
	s.Step(func() (err error) { raised, err = trace.Take(); return err })
	s.Step(func() error {
		idle, err := keepAwake()
		if err != nil {
			return err
		}
		s.Reap(d)
		s.SettleBack("reaped", before)
		return errors.Join(s.Err, idle())
	})
	s.Step(func() (err error) { reaped, err = trace.Take(); return err })
	followed, sites, lost := Match(parents, raised, reaped, name)
	s.Step(func() error {
		if followed != zombies {
			return fmt.Errorf("%d zombies were to be followed and %d forks were seen: %w", zombies, followed, measure.ErrMalformed)
		}
		if n := tasks(sites); n != zombies {
			return fmt.Errorf("%d of %d tasks were seen to be freed: %w", n, zombies, kmemtrace.ErrLost)
		}
		if lost > 0 {
			return fmt.Errorf("the free of %d objects was not seen: %w", lost, kmemtrace.ErrLost)
		}
		s.Result.Sites = sites
		return nil
	})
	var objects, allocated uint64
	for _, site := range sites {
		objects += site.Objects
		allocated += site.Objects * site.Allocated
	}
	s.Put(UnitObjects, float64(objects)/zombies)
	s.Put(UnitAllocated, float64(allocated)/zombies)
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
