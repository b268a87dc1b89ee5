package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zombench/bench/cgroup"
	"zombench/bench/looks"
	"zombench/measure"
	"zombench/results"
)

// An Instrument is one source of readings.
type Instrument struct {
	Name   string   // for people: the kernel's file or counter
	Units  []string // what it contributes to a result file
	Err    error    // why it is missing; nil if it can be read
	Remedy string   // what enables it; "" if nothing does
}

// String says in one line that an instrument is missing, why, and what helps.
func (i Instrument) String() string {
	line := "without " + i.Name
	if len(i.Units) > 0 {
		line += " (" + strings.Join(i.Units, ", ") + ")"
	}
	line += ": " + i.Err.Error()
	if i.Remedy != "" {
		line += "; " + i.Remedy
	}
	return line
}

// The instruments, by their place in the list of Instruments.
const (
	meminfo  = iota // /proc/meminfo
	slabinfo        // /proc/slabinfo
	shrink          // /sys/kernel/slab/*/shrink: no readings, but calmer ones
	watchers        // kmem tracepoints: who looks at the zombies
	pids            // pids.current of a fresh cgroup
	kmem            // kernel memory of a fresh cgroup
	numInstruments
)

// Instruments are what this machine lets this user measure with. What is
// missing is said once, with its reason and remedy, and is then absent from
// the results: a reading that cannot be taken is never written as zero.
type Instruments struct {
	List   [numInstruments]Instrument
	caches []string // slab caches to shrink before a reading

	reclaimable map[string]bool // slab caches that count in SReclaimable
	uncharged   map[string]bool // slab caches that are known not to be charged to cgroups
	batched     bool            // kernel memory is known up to a batch for each CPU only
}

// Reclaimable reports whether a slab cache counts in SReclaimable.
func (in *Instruments) Reclaimable(cache string) bool { return in.reclaimable[cache] }

// Uncharged returns the slab caches that are known not to be charged to cgroups.
func (in *Instruments) Uncharged() map[string]bool { return in.uncharged }

func (in *Instruments) has(i int) bool { return in.List[i].Err == nil }

// Missing returns the instruments that cannot be read.
func (in *Instruments) Missing() []Instrument {
	var missing []Instrument
	for _, i := range in.List {
		if i.Err != nil {
			missing = append(missing, i)
		}
	}
	return missing
}

// Notices says in a few lines what is missing: a line for each instrument, or what
// this user can measure and what root would add.
func (in *Instruments) Notices() []string {
	var lines, here, root []string
	denied := 0
	for _, i := range in.List {
		switch {
		case i.Err == nil:
			here = append(here, i.Units...)
			continue
		case errors.Is(i.Err, measure.ErrNotPermitted):
			denied++
		}
		root = append(root, i.Units...)
		lines = append(lines, i.String())
	}
	if denied < 3 || denied < len(lines) {
		return lines
	}
	return []string{
		"this user can measure " + strings.Join(here, ", ") + ": memory of the whole system",
		"root would add " + strings.Join(root, ", ") + ": what the zombies themselves hold",
		lines[len(lines)-1],
	}
}

const asRoot = "run as root"

// Probe finds out by trying which instruments there are. place is where
// cgroups can be made, or nil, and then placeErr says why not.
func Probe(fs measure.FS, machine measure.Machine, place *cgroup.Place, placeErr error) Instruments {
	list := [numInstruments]Instrument{
		meminfo:  {Name: "/proc/meminfo", Units: []string{results.UnitSlab, results.UnitSUnreclaim}},
		slabinfo: {Name: "/proc/slabinfo", Units: []string{results.UnitTaskStruct, results.UnitTaskStructBytes, results.UnitPredicted}},
		shrink:   {Name: "/sys/kernel/slab/*/shrink"},
		watchers: {Name: "kmem tracepoints", Units: []string{"who looks at the zombies"}, Err: looks.Available(fs)},
		pids:     {Name: "pids.current of a fresh cgroup", Units: []string{results.UnitPids}},
		kmem:     {Name: "kernel memory of a fresh cgroup", Units: []string{results.UnitKmem}},
	}
	_, list[meminfo].Err = fs.Meminfo()
	var caches []string
	slab, err := fs.Slabinfo()
	if _, ok := slab.Lookup(TaskStruct); err == nil && !ok {
		err = fmt.Errorf("/proc/slabinfo lists no cache %s: %w", TaskStruct, measure.ErrNotSupported)
	}
	list[slabinfo].Err = err
	if list[shrink].Err = fs.ShrinkSlab(TaskStruct); list[shrink].Err == nil {
		for _, c := range slab.Caches {
			caches = append(caches, c.Name)
		}
	}
	in := Instruments{List: list, caches: caches, reclaimable: make(map[string]bool), uncharged: make(map[string]bool)}
	for _, c := range slab.Caches {
		// Where sysfs does not tell (fs may lack it, or the cache is gone with
		// its module) a cache counts as most do.
		in.reclaimable[c.Name], _ = fs.ReclaimableSlab(c.Name)
		in.uncharged[c.Name] = fs.UnchargedSlab(c.Name)
	}
	in.List[pids].Err, in.List[kmem].Err = in.probeCgroup(place, placeErr, measure.Release(machine.Kernel))
	for i := range in.List {
		if place == nil && (i == pids || i == kmem) {
			continue // placeErr names the remedy itself
		}
		in.List[i].Remedy = remedy(i, in.List[i].Err)
	}
	return in
}

// probeCgroup tries the instruments of a fresh cgroup on one that it makes
// and removes again.
func (in *Instruments) probeCgroup(place *cgroup.Place, placeErr error, release measure.Release) (pidsErr, kmemErr error) {
	if place == nil {
		return placeErr, placeErr
	}
	cg, err := place.Fresh("probe")
	if err != nil {
		return err, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
		defer cancel()
		_ = cg.Remove(ctx)
	}()
	_, pidsErr = cg.Pids().Current()
	memcg, ok := cg.Memory()
	if !ok {
		return pidsErr, place.NoMemory()
	}
	in.batched = memcg.Batched(release)
	_, kmemErr = memcg.KernelMemory()
	return pidsErr, kmemErr
}

// remedy says what a user can do about a missing instrument.
func remedy(i int, err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, measure.ErrNotPermitted):
		if i == pids || i == kmem {
			return "" // package cgroup has named what helps with this kind of hierarchy
		}
		return asRoot
	case i == kmem:
		return "boot without cgroup_disable=memory and cgroup.memory=nokmem"
	case i == pids:
		return "mount a cgroup hierarchy with the pids controller: mount -t cgroup2 none /sys/fs/cgroup"
	}
	return ""
}
