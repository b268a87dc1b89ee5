package callsites

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
	"zombench/measure/kmemtrace"
)

// A story is what happened, told in order of time.
type story []kmemtrace.Event

func (s *story) add(e kmemtrace.Event) {
	e.Time = uint64(len(*s))
	*s = append(*s, e)
}

func (s *story) fork(parent, child int32) {
	s.add(kmemtrace.Event{Kind: kmemtrace.Fork, Task: parent, Child: child})
}

func (s *story) alloc(task int32, ptr, site, size uint64) {
	s.add(kmemtrace.Event{Kind: kmemtrace.Alloc, Task: task, Ptr: ptr, CallSite: site, Requested: size, Allocated: size, Cache: fmt.Sprintf("cache-%d", size), Accounted: kmemtrace.Yes})
}

func (s *story) free(ptr uint64) { s.add(kmemtrace.Event{Kind: kmemtrace.Free, Task: 1, Ptr: ptr}) }

var name = Resolve{
	Function: func(a uint64) string { return fmt.Sprintf("f%d", a) },
	Caches:   func(e kmemtrace.Event) []string { return []string{"a", "b"} },
}

const parent = 100

// lives tells of two zombies.
func lives() (raised, reaped story) {
	for i := range uint64(2) {
		child := int32(200 + i)
		at := 0x1000 * (i + 1)
		raised.alloc(parent, at, 1, 512)        // the task: the parent makes it
		raised.alloc(parent, at+0x100, 2, 64)   // freed by the parent
		raised.alloc(99, at+0x200, 3, 32)       // somebody else's
		raised.fork(parent, child)              //
		raised.alloc(child, at+0x300, 4, 128)   // the child's own, freed as it dies
		raised.alloc(child, at+0x400, 5, 256)   // the child's own, kept
		raised.alloc(parent, at+0x500, 6, 1024) // kept by the parent
		raised.free(at + 0x100)
		raised.free(at + 0x300)
		reaped.free(at)
		reaped.free(at + 0x200)
		reaped.free(at + 0x400)
	}
	return raised, reaped
}

func sites(h *Held) (all []string) {
	for _, s := range h.Sites {
		all = append(all, fmt.Sprintf("%s %s %d/%d %d %v", s.Function, s.CacheName(), s.Asked, s.Given, s.Objects, s.Accounted))
	}
	return all
}

func TestMatch(t *testing.T) {
	raised, reaped := lives()
	h := Match([]int{parent}, raised, reaped, name)
	if h.Zombies != 2 {
		t.Errorf("%d zombies, want 2", h.Zombies)
	}
	want := []string{"f1 cache-512 512/512 2 yes", "f5 cache-256 256/256 2 yes"}
	if diff := cmp.Diff(want, sites(h)); diff != "" {
		t.Error(diff)
	}
	// Nobody is followed: nothing is held, although all is there.
	if h := Match([]int{98}, raised, reaped, name); h.Zombies != 0 || len(h.Sites) != 0 {
		t.Errorf("of a stranger: %+v", h)
	}
}

// What is not seen to be freed when the zombie is reaped is not its own.
func TestMatchNeedsTheWholeLife(t *testing.T) {
	raised, reaped := lives()
	if h := Match([]int{parent}, raised, nil, name); len(h.Sites) != 0 {
		t.Errorf("never freed: %q", sites(h))
	}
	// The memory of an object whose free was not seen went to somebody else.
	again := slices.Clone(raised)
	again.alloc(99, 0x1400, 7, 256)
	again.alloc(99, 0x2400, 7, 256)
	if h := Match([]int{parent}, again, reaped, name); slices.Contains(sites(h), "f5 cache-256 256/256 2 yes") {
		t.Errorf("memory that went to somebody else: %q", sites(h))
	}
	var late story
	late.alloc(99, 0x1000, 7, 512)
	late.alloc(99, 0x2000, 7, 512)
	late = append(late, reaped...)
	if h := Match([]int{parent}, raised, late, name); len(h.Sites) != 1 {
		t.Errorf("memory that went to somebody else: %q", sites(h))
	}
	// One of many zombies may hold what the others do not: that is chance.
	raised.fork(parent, 300)
	raised.fork(parent, 301)
	raised.fork(parent, 302)
	if h := Match([]int{parent}, raised, reaped, name); len(h.Sites) != 0 {
		t.Errorf("objects of 2 of 5: %q", sites(h))
	}
}

func TestMatchWithoutNames(t *testing.T) {
	raised, reaped := lives()
	for i := range raised {
		raised[i].Cache = ""
	}
	h := Match([]int{parent}, raised, reaped, name)
	if got := h.Sites[0].CacheName(); got != "a or b" {
		t.Errorf("cache %q", got)
	}
}

func TestNarrow(t *testing.T) {
	h := &Held{Sites: []Site{{Caches: []string{"other", "sighand_cache"}}, {Caches: []string{"other"}}, {Caches: []string{"a", "b", "other"}}}}
	h.Narrow([]string{"sighand_cache", "a", "b"})
	for i, want := range []string{"sighand_cache", "other", "a or b"} {
		if got := h.Sites[i].CacheName(); got != want {
			t.Errorf("site %d: %s, want %s", i, got, want)
		}
	}
	(*Held)(nil).Narrow(nil)
}

func TestUnaccounted(t *testing.T) {
	h := &Held{Sites: []Site{
		{Caches: []string{"none"}, Accounted: kmemtrace.No},
		{Caches: []string{"all"}, Accounted: kmemtrace.Yes},
		{Caches: []string{"some"}, Accounted: kmemtrace.No},
		{Caches: []string{"some"}, Accounted: kmemtrace.Yes},
		{Caches: []string{"unknown"}, Accounted: kmemtrace.Unknown},
	}}
	if got := h.Unaccounted(); !slices.Equal(got, []string{"none"}) {
		t.Errorf("unaccounted %q", got)
	}
	if got := (*Held)(nil).Unaccounted(); got != nil {
		t.Errorf("without a trace: %q", got)
	}
}

func TestFitting(t *testing.T) {
	line := func(name string, size uint64) measure.SlabLine { return measure.SlabLine{Name: name, ObjSize: size} }
	slab := measure.Slabinfo{Caches: []measure.SlabLine{
		line("kmalloc-192", 192), line("kmalloc-cg-192", 192), line("kmalloc-rcl-192", 192), line("kmalloc-64", 64),
		line("cred", 192), line("filp", 192), line("task_struct", 5952),
	}}
	asked := map[string]uint64{"cred": 192, "filp": 184, "task_struct": 5952}
	for _, tt := range []struct {
		e    kmemtrace.Event
		want string
	}{
		{kmemtrace.Event{Requested: 184, Allocated: 192}, "filp"},
		{kmemtrace.Event{Requested: 192, Allocated: 192}, "cred"},
		{kmemtrace.Event{Requested: 180, Allocated: 192, General: true, Accounted: kmemtrace.Yes}, "kmalloc-cg-192"},
		{kmemtrace.Event{Requested: 180, Allocated: 192, General: true, Accounted: kmemtrace.No}, "kmalloc-192"},
		{kmemtrace.Event{Requested: 60, Allocated: 64, General: true, Accounted: kmemtrace.Yes}, "kmalloc-64"}, // before 5.14
		{kmemtrace.Event{Requested: 100, Allocated: 104}, "of 104 B"},
	} {
		if got := (Site{Caches: fitting(slab, asked, tt.e)}).CacheName(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.e, got, tt.want)
		}
	}
}
