package callsites

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/measure/kmemtrace"
)

// zombies is how many are followed: enough to tell what each of them holds
// from what their parent happens to do.
const zombies = 16

// attempts is how often a trace with gaps is taken again.
const attempts = 3

// Follow raises a handful of zombies in a way of spawning and follows their
// allocations. ErrNotSupported and ErrNotPermitted of package measure say that
// this cannot be done here.
func Follow(ctx context.Context, lab *bench.Lab, spawn string) (*Held, error) {
	symbols, err := kmemtrace.ReadSymbols(lab.FS)
	if err != nil {
		return nil, err
	}
	slab, err := lab.FS.Slabinfo()
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]uint64) // bytes asked for, by cache
	for _, c := range slab.Caches {
		if cache, err := lab.FS.SlabCache(c.Name); err == nil {
			sizes[c.Name] = cache.ObjectSize
		}
	}
	name := Resolve{Function: symbols.Caller, Caches: func(e kmemtrace.Event) []string { return fitting(slab, sizes, e) }}
	for i := 1; ; i++ {
		held, err := follow(ctx, lab, spawn, name)
		if err == nil || i == attempts || !errors.Is(err, kmemtrace.ErrLost) {
			return held, err
		}
	}
}

func follow(ctx context.Context, lab *bench.Lab, spawn string, name Resolve) (held *Held, err error) {
	site, err := lab.Site()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	d, err := daemon.Start(ctx, site.Start, daemon.Options{
		Binary: lab.Zombied, Args: lab.DaemonArgs, Count: zombies, Parallel: 1, Spawn: spawn,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Stop(context.WithoutCancel(ctx))) }()
	before, _, err := site.Settle(ctx, nil)
	if err != nil {
		return nil, err
	}
	parents, err := lab.FS.Tasks(d.Pid())
	if err != nil {
		return nil, err
	}

	trace, err := kmemtrace.Start(lab.FS)
	if err != nil {
		return nil, err
	}
	defer trace.Close()
	// What was freed on the way is freed for good before the army counts as
	// standing: objects are given back after grace periods, and settling
	// waits for these.
	army, err := d.Raise(ctx, nil)
	if err != nil {
		return nil, err
	}
	if army.Standing != zombies {
		return nil, fmt.Errorf("%d of %d zombies stand: %s", army.Standing, zombies, army.Error)
	}
	if _, _, err := site.Settle(ctx, nil); err != nil {
		return nil, err
	}
	raised, err := trace.Take()
	if err != nil {
		return nil, err
	}
	if _, err := d.Reap(ctx, nil); err != nil {
		return nil, err
	}
	if _, _, err := site.Settle(ctx, func(now bench.Sample) bool { return site.Returned(before, now) == "" }); err != nil {
		return nil, err
	}
	reaped, err := trace.Take()
	if err != nil {
		return nil, err
	}
	held = Match(parents, raised, reaped, name)
	if held.Zombies != zombies {
		return nil, fmt.Errorf("%d zombies were to be followed and %d forks were seen: %w", zombies, held.Zombies, measure.ErrMalformed)
	}
	return held, nil
}

// fitting names the caches that an allocation may be from. The general ones
// have their size in their name, and those for accounted memory are apart
// since Linux 5.14; of the others the sizes have to do.
func fitting(slab measure.Slabinfo, asked map[string]uint64, e kmemtrace.Event) []string {
	var names, apart []string
	for _, c := range slab.Caches {
		general := strings.HasPrefix(c.Name, "kmalloc-")
		switch {
		case c.ObjSize != e.Allocated || general != e.General:
		case general && strings.HasPrefix(c.Name, "kmalloc-rcl-"):
		case general && strings.HasPrefix(c.Name, "kmalloc-cg-"):
			apart = append(apart, c.Name)
		case general || asked[c.Name] == e.Requested:
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
