package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
	"zombench/results"
)

func TestReadingsMayGoDown(t *testing.T) {
	if got := Delta(10, 3); got != -7 {
		t.Errorf("Delta(10, 3) = %v, want -7", got)
	}
	if got := distance(3, 10); got != 7 {
		t.Errorf("distance(3, 10) = %v, want 7", got)
	}
}

func TestChangedCaches(t *testing.T) {
	line := func(name string, objects uint64) measure.SlabLine {
		return measure.SlabLine{Name: name, ActiveObjs: objects}
	}
	a := measure.Slabinfo{Caches: []measure.SlabLine{line("pid", 5), line("cred", 7), line("gone", 1)}}
	b := measure.Slabinfo{Caches: []measure.SlabLine{line("pid", 6), line("cred", 7), line("new", 1)}}
	got := changed(a, b, []string{"pid", "cred", "gone", "new"})
	if want := []string{"pid", "gone", "new"}; !slices.Equal(got, want) {
		t.Errorf("changed are %q, want %q", got, want)
	}
}

// A record keeps the caches that moved by more than a few objects, at every
// moment, and nothing that was not read.
func TestReadings(t *testing.T) {
	at := func(when string, pids, tasks, pid, quiet uint64) moment {
		return moment{when, Sample{Pids: &pids, Slab: &measure.Slabinfo{Caches: []measure.SlabLine{
			{Name: "task_struct", ActiveObjs: tasks, NumSlabs: tasks / 5}, {Name: "pid", ActiveObjs: pid, NumSlabs: pid / 21},
			{Name: "quiet", ActiveObjs: quiet},
		}}}}
	}
	got := readings([]moment{at("before", 10, 100, 200, 50), at("after", 510, 600, 700, 54), at("reaped", 10, 100, 200, 50)}, 500)
	want := []results.Reading{
		{When: "before", Counters: []results.Counter{{Name: "pids", Value: 10}}, Caches: []results.CacheReading{{Name: "task_struct", Objects: 100, Slabs: 20}, {Name: "pid", Objects: 200, Slabs: 9}}},
		{When: "after", Counters: []results.Counter{{Name: "pids", Value: 510}}, Caches: []results.CacheReading{{Name: "task_struct", Objects: 600, Slabs: 120}, {Name: "pid", Objects: 700, Slabs: 33}}},
		{When: "reaped", Counters: []results.Counter{{Name: "pids", Value: 10}}, Caches: []results.CacheReading{{Name: "task_struct", Objects: 100, Slabs: 20}, {Name: "pid", Objects: 200, Slabs: 9}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Of a small army 5 objects are many.
	if got := readings([]moment{at("before", 1, 1, 1, 50), at("after", 1, 1, 1, 55)}, 10); len(got[0].Caches) != 1 || got[0].Caches[0].Name != "quiet" {
		t.Errorf("%+v, want the cache that moved by 5", got)
	}
}

// What comes back is within a page for each CPU, or it has not come back.
func TestReturned(t *testing.T) {
	l := &Lab{Host: Host{Machine: measure.Machine{CPUs: 4, PageSize: 4096}}}
	sample := func(pids, kmem uint64) Sample { return Sample{Pids: &pids, Kmem: &kmem} }
	for _, tt := range []struct {
		pids, kmem uint64
		want       string
	}{
		{10, 1_000_000, ""},
		{10, 1_000_000 + 4*4096, ""},
		{10, 1_000_001 + 4*4096, "kernel memory changed by +16385 B over the whole trial, which is more than 16384 B: a kernel leak, or a foreign process in the cgroup"},
		{10, 900_000, "kernel memory changed by -100000 B over the whole trial, which is more than 16384 B: a kernel leak, or a foreign process in the cgroup"},
		{11, 1_000_000, "pids.current is 11 after the reap and was 10 before the army"},
	} {
		if got := l.Returned(sample(10, 1_000_000), sample(tt.pids, tt.kmem)); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
	if got := l.Returned(Sample{}, Sample{}); got != "" {
		t.Errorf("without a cgroup: %q", got)
	}
	l.Instruments.batched = true
	if got := l.KmemTolerance(); got != 4*64*4096 {
		t.Errorf("tolerance %d where each CPU keeps a batch back", got)
	}
}
