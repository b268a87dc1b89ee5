package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

// sampleOf makes a sample that every instrument has contributed to.
func sampleOf(pids, kmem, slab, sunreclaim, tasks, taskSlabs uint64) Sample {
	return Sample{
		Pids: &pids,
		Kmem: &kmem,
		Mem:  &measure.Meminfo{Slab: slab, SUnreclaim: sunreclaim},
		Slab: &measure.Slabinfo{Caches: []measure.SlabLine{{Name: TaskStruct, ActiveObjs: tasks, ObjSize: 5952, ObjsPerSlab: 5, PagesPerSlab: 8, NumSlabs: taskSlabs}}},
	}
}

// goodTrial is an army of 100 as it should be.
func goodTrial() *Trial {
	return &Trial{
		Setup:  Setup{Bench: results.Zombies, Count: 100, Parallel: 1, Spawn: "exec"},
		Before: sampleOf(10, 1_000_000, 5_000_000, 4_000_000, 50, 10),
		After:  sampleOf(110, 1_960_000, 6_100_000, 5_000_000, 150, 30),
		Reaped: sampleOf(10, 1_004_096, 5_000_000, 4_000_000, 50, 10),
		Spawn:  5_000_000,
		Ends:   results.Ends{Known: true, Exited: 100},
	}
}

func lab() *Lab { return &Lab{Machine: measure.Machine{CPUs: 2, PageSize: 4096}} }

func TestBroken(t *testing.T) {
	good := daemon.Report{Standing: 100, Threads: 12}
	for _, tt := range []struct {
		name   string
		edit   func(*Trial, *daemon.Report)
		reaped int // threads after the reap
		want   string
	}{
		{"good", func(*Trial, *daemon.Report) {}, 12, ""},
		{"too few stand", func(_ *Trial, r *daemon.Report) { r.Standing, r.Error = 7, "pids.max" }, 12, "7 of 100 zombies stand: pids.max"},
		{"too few stand and nobody knows why", func(_ *Trial, r *daemon.Report) { r.Standing = 7 }, 12, "7 of 100 zombies stand: zombied gives no reason"},
		{"threads grew while raising", func(_ *Trial, r *daemon.Report) { r.Threads = 13 }, 12, "zombied's threads changed from 12 to 13 to 12"},
		{"threads grew while reaping", func(*Trial, *daemon.Report) {}, 14, "zombied's threads changed from 12 to 12 to 14"},
		{"a foreign process", func(t *Trial, _ *daemon.Report) { *t.After.Pids++ }, 12, "pids.current grew by 101 and not by 100"},
		{"pids shrank", func(t *Trial, _ *daemon.Report) { *t.After.Pids = 5 }, 12, "pids.current grew by -5 and not by 100"},
		{"not all reaped", func(t *Trial, _ *daemon.Report) { t.Ends.Exited-- }, 12, "99 of 100 zombies were reaped"},
		{"killed ones count as reaped", func(t *Trial, _ *daemon.Report) { t.Ends.Exited, t.Ends.Killed, t.Ends.Dumped = 97, 2, 1 }, 12, ""},
		{"pids stay", func(t *Trial, _ *daemon.Report) { *t.Reaped.Pids = 11 }, 12, "pids.current is 11 after the reap and was 10 before the army"},
		{"kmem at the tolerance", func(t *Trial, _ *daemon.Report) { *t.Reaped.Kmem = 1_000_000 + 8192 }, 12, ""},
		{"kmem leaks", func(t *Trial, _ *daemon.Report) { *t.Reaped.Kmem = 1_000_000 + 8193 }, 12,
			"kernel memory changed by +8193 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"kmem went below", func(t *Trial, _ *daemon.Report) { *t.Reaped.Kmem = 900_000 }, 12,
			"kernel memory changed by -100000 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"without a cgroup", func(t *Trial, _ *daemon.Report) {
			t.Before.Pids, t.After.Pids, t.Reaped.Pids = nil, nil, nil
			t.Before.Kmem, t.After.Kmem, t.Reaped.Kmem = nil, nil, nil
		}, 12, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial, raised := goodTrial(), good
			tt.edit(trial, &raised)
			if got := lab().broken(trial, raised, good.Threads, tt.reaped); got != tt.want {
				t.Errorf("broken: %q\nwant    %q", got, tt.want)
			}
		})
	}
}

func TestBrokenControl(t *testing.T) {
	control := func(pids, kmem uint64) *Trial {
		return &Trial{
			Setup:  Setup{Bench: results.Control, Count: 0, Parallel: 1, Spawn: "exec"},
			Before: sampleOf(10, 1_000_000, 0, 0, 0, 0),
			After:  sampleOf(pids, kmem, 0, 0, 0, 0),
			Reaped: sampleOf(10, 1_000_000, 0, 0, 0, 0),
			Ends:   results.Ends{Known: true},
		}
	}
	for _, tt := range []struct {
		trial *Trial
		want  string
	}{
		{control(10, 1_008_192), ""},
		{control(11, 1_000_000), "pids.current grew by 1 and not by 0"},
		{control(10, 1_008_193), "kernel memory changed by +8193 B without an army, which is more than 8192 B"},
	} {
		if got := lab().broken(tt.trial, daemon.Report{}, 0, 0); got != tt.want {
			t.Errorf("broken: %q\nwant    %q", got, tt.want)
		}
	}
}

func TestResult(t *testing.T) {
	got := lab().Result(goodTrial())
	want := []results.Value{
		{Unit: "kmem-B/1000zombies", Value: 9_600_000},
		{Unit: "predicted-B/1000zombies", Value: 5_960_000},
		{Unit: "slab-B/1000zombies", Value: 11_000_000},
		{Unit: "sunreclaim-B/1000zombies", Value: 10_000_000},
		{Unit: "task_struct/zombie", Value: 1},
		{Unit: "task_struct-B/1000zombies", Value: 20 * 32768 * 10},
		{Unit: "pids/zombie", Value: 1},
		{Unit: "ns/zombie", Value: 50_000},
	}
	if diff := cmp.Diff(want, got.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if got.N != 100 {
		t.Errorf("N = %d, want 100", got.N)
	}
}

func TestMissingInstrumentsAreAbsent(t *testing.T) {
	trial := goodTrial()
	for _, s := range []*Sample{&trial.Before, &trial.After, &trial.Reaped} {
		s.Pids, s.Kmem, s.Slab = nil, nil, nil
	}
	var units []string
	for _, v := range lab().Result(trial).Values {
		units = append(units, v.Unit)
	}
	if diff := cmp.Diff([]string{"slab-B/1000zombies", "sunreclaim-B/1000zombies", "ns/zombie"}, units); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

func TestReadingsMayGoDown(t *testing.T) {
	if got := Delta(10, 3); got != -7 {
		t.Errorf("Delta(10, 3) = %v, want -7", got)
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
