package callsites

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/measure/kmemtrace"
	"zombench/results"
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

// match is Match, its call sites as text.
func match(parent int, raised, reaped story) (zombies int, all []string) {
	zombies, found, _ := Match([]int{parent}, raised, reaped, name)
	for _, s := range found {
		all = append(all, fmt.Sprintf("%s %s %d/%d %d %v", s.Function, strings.Join(s.Caches, " or "), s.Requested, s.Allocated, s.Objects, s.Accounted))
	}
	return zombies, all
}

func TestMatch(t *testing.T) {
	raised, reaped := lives()
	zombies, sites := match(parent, raised, reaped)
	if zombies != 2 {
		t.Errorf("%d zombies, want 2", zombies)
	}
	want := []string{"f1 cache-512 512/512 2 yes", "f5 cache-256 256/256 2 yes"}
	if diff := cmp.Diff(want, sites); diff != "" {
		t.Error(diff)
	}
	// Nobody is followed: nothing is retained, although all is there.
	if zombies, sites := match(98, raised, reaped); zombies != 0 || len(sites) != 0 {
		t.Errorf("of a stranger: %d zombies, %q", zombies, sites)
	}
}

// What is not seen to be freed when the zombie is reaped is not its own.
func TestMatchNeedsTheWholeLife(t *testing.T) {
	raised, reaped := lives()
	if _, sites := match(parent, raised, nil); len(sites) != 0 {
		t.Errorf("never freed: %q", sites)
	}
	// The memory of an object whose free was not seen went to somebody else.
	again := slices.Clone(raised)
	again.alloc(99, 0x1400, 7, 256)
	again.alloc(99, 0x2400, 7, 256)
	if _, sites := match(parent, again, reaped); slices.Contains(sites, "f5 cache-256 256/256 2 yes") {
		t.Errorf("memory that went to somebody else: %q", sites)
	}
	var late story
	late.alloc(99, 0x1000, 7, 512)
	late.alloc(99, 0x2000, 7, 512)
	late = append(late, reaped...)
	if _, sites := match(parent, raised, late); len(sites) != 1 {
		t.Errorf("memory that went to somebody else: %q", sites)
	}
	// One of many zombies may keep what the others do not: that is chance.
	raised.fork(parent, 300)
	raised.fork(parent, 301)
	raised.fork(parent, 302)
	if _, sites := match(parent, raised, reaped); len(sites) != 0 {
		t.Errorf("objects of 2 of 5: %q", sites)
	}
}

// A call site of most zombies is not left out in silence because some frees were not
// seen. What nobody frees, as the parent's, or few have, is not missed.
func TestMatchCountsLostFrees(t *testing.T) {
	raised, reaped := lives()
	child := func(i uint64) {
		at := 0x1000 * (i + 1)
		raised.fork(parent, int32(200+i))
		raised.alloc(int32(200+i), at+0x400, 5, 256)
	}
	for i := range uint64(4) {
		child(2 + i)
	}
	if _, _, lost := Match([]int{parent}, raised, reaped, name); lost != 4 {
		t.Errorf("%d frees are lost, want those of 4 of 6", lost)
	}
	for i := range uint64(4) {
		reaped.free(0x1000*(3+i) + 0x400)
	}
	if _, _, lost := Match([]int{parent}, raised, reaped, name); lost != 0 {
		t.Errorf("%d frees are lost, and all were seen", lost)
	}
}

func TestMatchWithoutNames(t *testing.T) {
	raised, reaped := lives()
	for i := range raised {
		raised[i].Cache = ""
	}
	_, sites := match(parent, raised, reaped)
	if len(sites) == 0 || !strings.Contains(sites[0], " a or b ") {
		t.Errorf("%q, want both caches that fit", sites)
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
		if got := strings.Join(fitting(slab, asked, tt.e), " or "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.e, got, tt.want)
		}
	}
}

func TestSetups(t *testing.T) {
	setups, err := labtest.Set(t, Experiment(), map[string]string{"spawn": "clone,exec"}).Setups()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range setups {
		names = append(names, s.Name())
		if !s.Last || s.Army.Zombies != zombies || len(s.Needs) == 0 {
			t.Errorf("%s: %+v; want it behind all others, which it disturbs", s.Name(), s)
		}
	}
	if want := []string{"CallSites/spawn=clone", "CallSites/spawn=exec"}; !slices.Equal(names, want) {
		t.Errorf("setups %q, want %q", names, want)
	}
	_, err = labtest.Set(t, Experiment(), map[string]string{"spawn": ""}).Setups()
	if field, ok := errors.AsType[*bench.FieldError](err); !ok || field.Field != "spawn" {
		t.Errorf("without a way of spawning: %v", err)
	}
}

func TestMain(m *testing.M) { labtest.Main(m) }

// What a dressed zombie keeps is among its call sites: 1000 groups are a group_info
// of 4008 bytes.
func TestCallSitesOfADress(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"dress": "groups=1000"})
	labtest.Each(t, e, "", func(t *testing.T, r results.Trial) {
		if r.Name() != "CallSites/spawn=clone/dress=groups=1000" {
			t.Errorf("the trial is called %s", r.Name())
		}
		if !slices.ContainsFunc(r.Sites, func(s results.CallSite) bool { return s.Requested == 4008 && s.Objects == zombies }) {
			t.Errorf("no call site made a group_info for each zombie: %+v", r.Sites)
		}
	})
}

// On this kernel the task itself is among what a zombie keeps, by the function
// that has made it since Linux 2, however it was spawned.
func TestCallSitesOnThisKernel(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"spawn": "exec,os-exec,clone"})
	labtest.Each(t, e, "", func(t *testing.T, trial results.Trial) {
		if objects := labtest.Value(t, trial, UnitObjects); objects < 4 {
			t.Errorf("%v objects a zombie, want at least its task, signals, handlers and pid", objects)
		}
		var count, bytes uint64
		for _, s := range trial.Sites {
			count += s.Objects
			bytes += s.Objects * s.Allocated
			if s.Function == "" || len(s.Caches) == 0 || s.Requested == 0 || s.Requested > s.Allocated || 2*s.Objects < zombies {
				t.Errorf("call site %+v", s)
			}
		}
		if tasks(trial.Sites) != zombies {
			t.Errorf("no call site made a task_struct for each zombie: %+v", trial.Sites)
		}
		objects, allocated := labtest.Value(t, trial, UnitObjects), labtest.Value(t, trial, UnitAllocated)
		if objects*zombies != float64(count) || allocated*zombies != float64(bytes) {
			t.Errorf("%v objects of %v B a zombie, and the call sites have %d of %d B in all", objects, allocated, count, bytes)
		}
	})
}
