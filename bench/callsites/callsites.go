// Package callsites finds out which functions of the kernel allocate what a
// zombie keeps.
//
// It believes only a life that was followed whole: an object counts as held by
// a zombie if the zombie or its parent allocated it, if it was still there
// while the zombie stood, and if it was freed when the zombie was reaped.
// Tracing disturbs: it is never to be done during a measurement.
package callsites

import (
	"cmp"
	"slices"
	"strings"

	"zombench/measure"
	"zombench/measure/kmemtrace"
)

// A Site is one place in the kernel that allocates for a zombie.
type Site struct {
	Function  string             `json:"function"`    // that called the allocator
	Caches    []string           `json:"caches"`      // the slab cache; several, if only the sizes tell and fit several
	Asked     uint64             `json:"asked_bytes"` // bytes
	Given     uint64             `json:"given_bytes"` // bytes
	Accounted kmemtrace.Tristate `json:"accounted"`   // to the cgroup
	Objects   int                `json:"objects"`     // of all zombies that were followed
}

// CacheName names the cache, or those that it may be.
func (s Site) CacheName() string { return strings.Join(s.Caches, " or ") }

// Held is what was found.
type Held struct {
	Zombies int    `json:"zombies"` // that were followed
	Sites   []Site `json:"sites"`   // most bytes first
}

// Narrow rules out caches that a site may be of if others are among those that
// are known to grow with the zombies.
func (h *Held) Narrow(grow []string) {
	if h == nil {
		return
	}
	for i, s := range h.Sites {
		var likely []string
		for _, c := range s.Caches {
			if slices.Contains(grow, c) {
				likely = append(likely, c)
			}
		}
		if len(likely) > 0 {
			h.Sites[i].Caches = likely
		}
	}
}

// Unaccounted returns the caches all of whose objects are known not to be
// charged to the cgroup.
func (h *Held) Unaccounted() []string {
	if h == nil {
		return nil
	}
	var names []string
	charged := make(map[string]bool)
	for _, s := range h.Sites {
		for _, c := range s.Caches {
			charged[c] = charged[c] || s.Accounted != kmemtrace.No
			if !slices.Contains(names, c) {
				names = append(names, c)
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return charged[name] })
}

// Resolve names what a trace has as numbers.
type Resolve struct {
	Function func(returnAddress uint64) string
	// Caches names the caches that an allocation may be from, for a trace
	// that does not name them itself.
	Caches func(kmemtrace.Event) []string
}

// Match finds what the children of some tasks held: raised is what happened
// until they stood as zombies, reaped what happened from then until they were
// reaped, each in order of time.
func Match(parents []int, raised, reaped []kmemtrace.Event, name Resolve) *Held {
	followed := make(map[int32]bool)
	for _, tid := range parents {
		followed[int32(tid)] = true
	}
	held := new(Held)
	live := make(map[uint64]kmemtrace.Event)
	for _, e := range raised {
		switch e.Kind {
		case kmemtrace.Fork:
			if followed[e.Task] {
				followed[e.Child] = true
				held.Zombies++
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
	for s, n := range count {
		if !measure.GainedByEach(float64(n), uint64(held.Zombies)) {
			continue // not of every zombie
		}
		held.Sites = append(held.Sites, Site{
			Function: s.function, Caches: strings.Split(s.caches, "\x00"),
			Asked: s.asked, Given: s.given, Accounted: s.accounted, Objects: n,
		})
	}
	slices.SortFunc(held.Sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.Given*uint64(b.Objects), a.Given*uint64(a.Objects)), cmp.Compare(a.Function, b.Function), slices.Compare(a.Caches, b.Caches))
	})
	return held
}

// A site is what the objects of a Site have in common.
type site struct {
	function, caches string
	asked, given     uint64
	accounted        kmemtrace.Tristate
}

func siteOf(e kmemtrace.Event, name Resolve) site {
	s := site{function: name.Function(e.CallSite), caches: e.Cache, asked: e.Requested, given: e.Allocated, accounted: e.Accounted}
	if s.caches == "" {
		s.caches = strings.Join(name.Caches(e), "\x00")
	}
	return s
}
