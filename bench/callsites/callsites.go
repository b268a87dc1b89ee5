// Package callsites finds out which functions of the kernel allocate what a
// zombie keeps, by the kmem tracepoints.
//
// An object counts as retained by a zombie if the zombie or its parent allocated
// it, if it was still there while the zombie was, and if it was freed when the
// zombie was reaped: only a life that was followed whole counts. Tracing
// disturbs, so these trials run behind all others.
//
// In flow the events of package kmemtrace, out flow the functions, each with what it
// allocates for a zombie. It is not for what a zombie holds altogether: package memory
// measures that without tracing, and package ledger compares the two.
package callsites

import (
	"cmp"
	"slices"
	"strings"

	"zombench/measure/kmemtrace"
	"zombench/results"
)

// Resolve names what a trace has as numbers.
type Resolve struct {
	Function func(returnAddress uint64) string
	// Caches names the caches that an allocation may be from, for a trace
	// that does not name them itself.
	Caches func(kmemtrace.Event) []string
}

// Match finds what the children of some tasks retained: raised is what happened
// until they were zombies, reaped what happened from then until they were
// reaped, each in order of time. It also returns how many children there were, and of
// how many objects the free was lost: of a call site that most children retained, and
// whose objects were seen to be freed with some children only.
func Match(parents []int, raised, reaped []kmemtrace.Event, name Resolve) (zombies int, sites []results.CallSite, lost int) {
	followed := make(map[int32]bool)
	for _, tid := range parents {
		followed[int32(tid)] = true
	}
	live := make(map[uint64]kmemtrace.Event)
	for _, e := range raised {
		switch e.Kind {
		case kmemtrace.Fork:
			if followed[e.Task] {
				followed[e.Child] = true
				zombies++
			}
		case kmemtrace.Free:
			delete(live, e.Ptr)
		case kmemtrace.Alloc:
			// Whose it was before has been freed, even if that was not seen.
			delete(live, e.Ptr)
			if followed[e.Task] {
				live[e.Ptr] = e
			}
		}
	}
	// What the parents keep for themselves outlives the reap.
	count := make(map[site]int)
	for _, e := range reaped {
		allocated, ok := live[e.Ptr]
		if !ok || e.Kind == kmemtrace.Fork {
			continue
		}
		delete(live, e.Ptr)
		if e.Kind == kmemtrace.Free {
			count[siteOf(allocated, name)]++
		}
	}
	left := make(map[site]int)
	for _, e := range live {
		left[siteOf(e, name)]++
	}
	for s, n := range count {
		if 2*n < zombies { // not of every zombie
			if 2*(n+left[s]) >= zombies {
				lost += left[s]
			}
			continue
		}
		sites = append(sites, results.CallSite{
			Function: s.function, Caches: strings.Split(s.caches, "\x00"),
			Requested: s.requested, Allocated: s.allocated, Accounted: s.accounted, Objects: uint64(n),
		})
	}
	slices.SortFunc(sites, func(a, b results.CallSite) int {
		return cmp.Or(cmp.Compare(b.Allocated*b.Objects, a.Allocated*a.Objects), cmp.Compare(a.Function, b.Function), slices.Compare(a.Caches, b.Caches))
	})
	return zombies, sites, lost
}

// A site is what the objects of a call site have in common.
type site struct {
	function, caches     string
	requested, allocated uint64
	accounted            results.Tristate
}

func siteOf(e kmemtrace.Event, name Resolve) site {
	s := site{function: name.Function(e.CallSite), caches: e.Cache, requested: e.Requested, allocated: e.Allocated, accounted: tristate(e.Accounted)}
	if s.caches == "" {
		s.caches = strings.Join(name.Caches(e), "\x00")
	}
	return s
}

func tristate(t kmemtrace.Tristate) results.Tristate {
	switch t {
	case kmemtrace.Yes:
		return results.Yes
	case kmemtrace.No:
		return results.No
	}
	return results.Unknown
}
