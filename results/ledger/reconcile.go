package ledger

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/stats"
)

// Unexplained returns the steps that leave more unexplained than promised.
func (l *Ledger) Unexplained() []Step {
	return slices.DeleteFunc(slices.Clone(l.Steps), func(s Step) bool { return !s.Exceeds() })
}

// Step returns a step by its name, false if there is none.
func (l *Ledger) Step(name string) (Step, bool) {
	i := slices.IndexFunc(l.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return l.Steps[i], true
}

// infer marks the objects of general caches that are not charged, where only the charge
// says which these are: before Linux 5.14, which gave those that are charged caches of
// their own (kmalloc-cg-*), such as the blobs of security modules for a task and for its
// credentials. Objects are taken for some that are not if the charge is less, beyond its
// interval, than that of all of them, and what is unexplained becomes less than half. They
// may be some of a cache: arm64 has no general one below 128 B, which holds both kinds.
func (l *Ledger) infer(charge *stats.Estimate, predicted float64) (names []string) {
	kernel := results.Lookup(l.Labels, "kernel")
	if charge == nil || kernel == "" || results.CompareReleases(kernel, "5.14") >= 0 {
		return nil
	}
	for predicted > charge.Hi {
		var best *Cache
		of, rest := 0.0, math.Abs(charge.PerZombie-predicted)/2
		for i := range l.Caches {
			c := &l.Caches[i]
			if c.Role != Retained || c.Charged != results.Unknown || c.Unaccounted || c.UnaccountedObjects > 0 || !strings.HasPrefix(c.Name, General+"-") {
				continue
			}
			for n := 1.0; n <= c.Own; n++ {
				if r := math.Abs(charge.PerZombie - predicted + n*l.chargeOfOne(*c)); r < rest {
					best, of, rest = c, n, r
				}
			}
		}
		if best == nil {
			break
		}
		predicted -= of * l.chargeOfOne(*best)
		if of == best.Own {
			best.Unaccounted = true
			names = append(names, best.Name)
		} else {
			best.UnaccountedObjects = of
			names = append(names, fmt.Sprintf("%.0f of %.0f in %s", of, best.Own, best.Name))
		}
	}
	return names
}

// chargeOfOne returns what an object of a cache is charged, with memcg's pointer to it.
func (l *Ledger) chargeOfOne(c Cache) float64 { return float64(c.Size + l.Kernel.PointerBytes) }

// reconcile leads from the objects of a zombie over the charge to the pages.
func (l *Ledger) reconcile() {
	sum := func(of func(Cache) float64) (total float64) {
		for _, c := range l.Caches {
			total += of(c)
		}
		return total
	}
	charge := l.counter("kmem-B", 1)
	inferred := l.infer(charge, sum(func(c Cache) float64 { return c.Accounted() * l.chargeOfOne(c) }))
	count := sum(Cache.Accounted)
	charged := sum(Cache.AccountedBytes)
	l.part(StepObjects, charged, fmt.Sprintf("%.2f objects x padded size (/proc/slabinfo)", count))
	pointers := count * float64(l.Kernel.PointerBytes)
	l.part(StepPointers, pointers, fmt.Sprintf("memcg: %d B for each object", l.Kernel.PointerBytes))
	predicted := charged + pointers
	stack, why := 0.0, ""
	if charge != nil {
		stack, why = l.stack(charge.PerZombie - predicted)
	}
	if stack > 0 {
		predicted += stack
		l.part(StepStack, stack, why)
	}
	l.sum("predicted charge", predicted)
	l.measured(StepCharge, charge, predicted, "its kernel memory", chargeLimit)

	unaccounted := sum(Cache.ownBytes) - charged
	if unaccounted != 0 {
		source := ""
		if len(inferred) > 0 {
			source = strings.Join(inferred, ", ") + ": by the charge, which is too little for all objects"
		}
		l.part("objects that are not charged", unaccounted, source)
	}
	packing := sum(func(c Cache) float64 { return c.packed(c.Own) }) - sum(Cache.ownBytes)
	l.part("packing loss of slabs", packing, "ends of slabs that hold no further object")
	vectors := sum(func(c Cache) float64 { return c.packed(c.Vectors) })
	l.part("obj_cgroup vectors", vectors-pointers, "memcg: slabs of the arrays with the pointers, less these")
	pages := charged + unaccounted + packing + vectors
	l.sum("full slabs", pages)
	room := l.slope(l.room).PerZombie
	l.part("room in slabs that were there", room, "zombies first fill slabs that were partly filled: the slope of that")
	l.sum("predicted slab pages", pages+room)

	reclaimable := sum(func(c Cache) float64 {
		if !c.Reclaimable {
			return 0
		}
		return c.packed(c.Own)
	})
	pages += room
	slabs := l.slope(l.slabBytes)
	l.measured(StepPages, &slabs, pages, "their slabs in /proc/slabinfo, less what others have in these", 0)
	// What is reclaimable by its mark counts in Slab only; see the slab unit
	// of package stats.
	l.measured(StepSUnreclaim, l.counter("sunreclaim-B", 1), pages-reclaimable, "/proc/meminfo: with everybody's, without what is reclaimable", 0)
	l.measured(StepSlab, l.counter("slab-B", 1), pages, "/proc/meminfo: with everybody's", 0)
	name, unit := StepSUnreclaim, "sunreclaim-B"
	if reclaimable > 0 {
		name, unit = StepSlab, "slab-B"
	}
	own := l.counterLess(unit, 1, func(r *results.Record) float64 { return l.foreignBytes(r, reclaimable > 0) })
	l.measured(name+ZombiesPart, own, pages, "/proc/meminfo, less slabs of objects that are somebody else's", pagesLimit)
	l.measured("MemFree fell by", l.counter("memfree-B", -1), pages+stack, "/proc/meminfo: with all that anybody took", 0)
}

// slabBytes returns how the slabs of a trial's zombies changed, in bytes.
func (l *Ledger) slabBytes(r *results.Record) (change float64) {
	for _, c := range l.Caches {
		if c.Held() > 0 {
			_, slabs := grown(r, c.Name)
			change += slabs*float64(c.SlabBytes) - c.foreign(r)
		}
	}
	return change
}

// foreignBytes returns how the slabs changed in which zombies have nothing, and
// what others have in those in which they have something.
func (l *Ledger) foreignBytes(r *results.Record, reclaimable bool) (change float64) {
	for _, c := range l.all {
		if c.Reclaimable && !reclaimable {
			continue
		}
		i := slices.IndexFunc(l.Caches, func(listed Cache) bool { return listed.Name == c.Name && listed.Held() > 0 })
		if i >= 0 {
			change += l.Caches[i].foreign(r)
			continue
		}
		_, slabs := grown(r, c.Name)
		change += slabs * float64(c.SlabBytes)
	}
	return change
}

// room returns by how much the room grew that is free in the slabs of a trial's
// zombies, in bytes.
func (l *Ledger) room(r *results.Record) (change float64) {
	for _, c := range l.Caches {
		if c.Held() > 0 {
			objects, slabs := grown(r, c.Name)
			change += c.packed(slabs*float64(c.PerSlab) - objects)
		}
	}
	return change
}

// foreign returns what the objects of others in a trial take, packed.
func (c Cache) foreign(r *results.Record) float64 {
	zombies := float64(r.N)
	if r.Control {
		zombies = 0
	}
	objects, _ := grown(r, c.Name)
	return c.packed(objects - zombies*c.Held())
}

func (l *Ledger) part(name string, bytes float64, source string) {
	l.Steps = append(l.Steps, Step{Name: name, Kind: Part, Bytes: bytes, Source: source})
}

func (l *Ledger) sum(name string, bytes float64) {
	l.Steps = append(l.Steps, Step{Name: name, Kind: Sum, Bytes: bytes})
}

// measured adds what an instrument says, if it is there.
func (l *Ledger) measured(name string, e *stats.Estimate, predicted float64, source string, limit float64) {
	if e != nil {
		l.Steps = append(l.Steps, Step{Name: name, Kind: Measured, Bytes: e.PerZombie, Source: source,
			Estimate: e, Rest: e.PerZombie - predicted, Limit: limit})
	}
}

// stack infers a kernel stack from what was charged beyond slab objects: what a zombie
// keeps where thread_info lies on it (no CONFIG_THREAD_INFO_IN_TASK), and gives back
// with the task_struct. It is whole pages, a power of two of them.
func (l *Ledger) stack(beyond float64) (bytes float64, why string) {
	page := float64(l.page)
	if page == 0 || beyond < 0.9*page || l.Kernel.ThreadInfoInTask == results.Yes {
		return 0, ""
	}
	why = "whole pages charged beyond all objects; this kernel does not tell where thread_info is"
	if l.Kernel.ThreadInfoInTask == results.No {
		why = "whole pages charged beyond all objects; thread_info lies on the stack here"
	}
	return page * math.Exp2(math.Round(math.Log2(beyond/page))), why
}
