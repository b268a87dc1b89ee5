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

// reconcile leads from the objects over the charge to the pages.
func (l *Ledger) reconcile() {
	sum := func(of func(Cache) float64, which func(Cache) bool) (total float64) {
		for _, c := range l.Caches {
			if which(c) {
				total += of(c)
			}
		}
		return total
	}
	retained := func(c Cache) bool { return c.Role == Retained }
	accounted := func(c Cache) bool { return retained(c) && !c.Unaccounted }
	count := func(c Cache) float64 { return c.Objects.PerZombie }

	charged := sum(Cache.Bytes, accounted)
	l.part(StepObjects, charged, fmt.Sprintf("%.2f objects x padded size (/proc/slabinfo)", sum(count, accounted)))
	pointers := sum(count, accounted) * float64(l.pointer)
	l.part("obj_cgroup pointers", pointers, fmt.Sprintf("memcg: %d B for each object", l.pointer))
	predicted := charged + pointers
	charge := l.counter("kmem-B", 1)
	if charge != nil {
		l.Stack = l.stack(charge.PerZombie - predicted)
	}
	if l.Stack != nil {
		predicted += l.Stack.Bytes
		l.part(StepStack, l.Stack.Bytes, l.Stack.Inferred)
	}
	l.sum("predicted charge", predicted)
	l.measured(StepCharge, charge, predicted, "its kernel memory", chargeLimit)

	unaccounted := sum(Cache.Bytes, retained) - charged
	if unaccounted != 0 {
		l.part("objects that are not charged", unaccounted, "")
	}
	packing := sum(Cache.packed, retained) - sum(Cache.Bytes, retained)
	l.part("packing loss of slabs", packing, "ends of slabs that hold no further object")
	vectorPages := l.vectors()
	l.part("obj_cgroup vectors", vectorPages-pointers, "memcg: slabs of the arrays with the pointers, less these")
	pages := charged + unaccounted + packing + vectorPages
	l.sum("predicted slab pages", pages)

	reclaimable := sum(Cache.packed, func(c Cache) bool { return retained(c) && c.Reclaimable })
	slabs := l.slope(l.slabBytes)
	l.measured(StepPages, &slabs, pages, "their slabs in /proc/slabinfo", 0)
	// What is reclaimable by its mark counts in Slab only; see the slab unit
	// of package stats.
	sunreclaim, slab := l.counter("sunreclaim-B", 1), l.counter("slab-B", 1)
	if reclaimable == 0 {
		l.measured("SUnreclaim", sunreclaim, pages, "/proc/meminfo", pagesLimit)
		l.measured("Slab", slab, pages, "/proc/meminfo: with everybody's dentries and inodes", 0)
	} else {
		l.measured("SUnreclaim", sunreclaim, pages-reclaimable, "/proc/meminfo, against what is not reclaimable", 0)
		l.measured("Slab", slab, pages, "/proc/meminfo", pagesLimit)
	}
	all := pages
	if l.Stack != nil {
		all += l.Stack.Bytes
	}
	l.measured("MemFree fell by", l.counter("memfree-B", -1), all, "/proc/meminfo: with all that anybody took", 0)
}

// slabBytes returns how the slabs of all caches that are explained changed in a
// trial, in bytes.
func (l *Ledger) slabBytes(r *results.Record) (change float64) {
	for _, c := range l.Caches {
		if c.Role != Other {
			_, slabs := grown(r, c.Name)
			change += slabs * float64(c.SlabBytes)
		}
	}
	return change
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

// vectors predicts the arrays of pointers that memcg keeps for the slabs of
// accounted objects, recognises the caches that hold them by that, and returns
// the pages that they take, in bytes a zombie. An array whose cache did not
// grow lies in the unused end of its slab (Linux 7.0), and takes nothing.
func (l *Ledger) vectors() (pages float64) {
	predicted := make(map[uint64]float64) // vectors a zombie, by bytes needed
	for _, c := range l.Caches {
		if c.Role == Retained && !c.Unaccounted {
			predicted[c.PerSlab*l.pointer] += c.Objects.PerZombie / float64(c.PerSlab)
		}
	}
	for i, c := range l.Caches {
		size, ok := kmalloc(c.Name)
		if !ok || c.Role == Retained {
			continue
		}
		var vectors float64
		for need, n := range predicted {
			if need <= size && !fitsSmaller(need, size) {
				vectors += n
			}
		}
		if vectors > 0 && c.Objects.PerZombie >= vectors/2 {
			l.Caches[i].Role = Vectors
			pages += vectors / float64(c.PerSlab) * float64(c.SlabBytes)
		}
	}
	slices.SortStableFunc(l.Caches, func(a, b Cache) int { return rank(a.Role) - rank(b.Role) })
	return pages
}

// fitsSmaller reports whether need bytes fit a kmalloc cache smaller than size.
func fitsSmaller(need, size uint64) bool {
	return slices.ContainsFunc(kmallocSizes, func(s uint64) bool { return s < size && need <= s })
}

// kmallocSizes are the sizes of the general caches (include/linux/slab.h,
// __kmalloc_index).
var kmallocSizes = []uint64{8, 16, 32, 64, 96, 128, 192, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10}

// kmalloc reports whether a cache is a general one for memory that is not
// charged, and the size of its objects. Its name may have a random number
// (CONFIG_RANDOM_KMALLOC_CACHES).
func kmalloc(name string) (size uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, "kmalloc-")
	if !ok || strings.HasPrefix(rest, "cg-") || strings.HasPrefix(rest, "rcl-") || strings.HasPrefix(rest, "dma-") {
		return 0, false
	}
	rest = rest[strings.LastIndexByte(rest, '-')+1:]
	unit := uint64(1)
	if short, cut := strings.CutSuffix(rest, "k"); cut {
		rest, unit = short, 1<<10
	}
	if _, err := fmt.Sscanf(rest, "%d", &size); err != nil {
		return 0, false
	}
	return size * unit, true
}

// stack infers a kernel stack from what was charged beyond slab objects. It is
// whole pages, a power of two of them, and there is one only where thread_info
// is not in the task.
func (l *Ledger) stack(beyond float64) *Stack {
	page := float64(l.page)
	if page == 0 || beyond < 0.9*page || l.inTask == results.Yes {
		return nil
	}
	why := "whole pages charged beyond all objects; this kernel does not tell where thread_info is"
	if l.inTask == results.No {
		why = "whole pages charged beyond all objects; thread_info lies on the stack here"
	}
	return &Stack{page * math.Exp2(math.Round(math.Log2(beyond/page))), why}
}
