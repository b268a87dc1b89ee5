package memory

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

func TestBroken(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*trial)
		want string
	}{
		{"good", func(*trial) {}, ""},
		{"too few", func(t *trial) { t.raise.Standing, t.raise.Error = 7, "pids.max" }, "7 of 100 zombies were raised: pids.max"},
		{"too few and nobody knows why", func(t *trial) { t.raise.Standing = 7 }, "7 of 100 zombies were raised: zombied gives no reason"},
		{"threads grew while raising", func(t *trial) { t.raise.Threads = 13 }, "zombied's threads changed from 12 to 13 to 12"},
		{"threads grew while reaping", func(t *trial) { t.reap.Threads = 14 }, "zombied's threads changed from 12 to 12 to 14"},
		{"a foreign process", func(t *trial) { *t.after.Pids++ }, "pids.current grew by 101 and not by 100"},
		{"pids shrank", func(t *trial) { *t.after.Pids = 5 }, "pids.current grew by -5 and not by 100"},
		{"not all reaped", func(t *trial) { t.reap.Exited-- }, "99 of 100 zombies were reaped"},
		{"killed ones count as reaped", func(t *trial) { t.reap.Exited, t.reap.Killed, t.reap.Dumped = 97, 2, 1 }, ""},
		{"pids stay", func(t *trial) { *t.reaped.Pids = 11 }, "pids.current is 11 after the reap and was 10 before the army"},
		{"kmem at the tolerance", func(t *trial) { *t.reaped.Kmem = 1_000_000 + 8192 }, ""},
		{"kmem leaks", func(t *trial) { *t.reaped.Kmem = 1_000_000 + 8193 },
			"kernel memory changed by +8193 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"kmem went below", func(t *trial) { *t.reaped.Kmem = 900_000 },
			"kernel memory changed by -100000 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"without a cgroup", func(t *trial) {
			t.before.Pids, t.after.Pids, t.reaped.Pids = nil, nil, nil
			t.before.Kmem, t.after.Kmem, t.reaped.Kmem = nil, nil, nil
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial := goodTrial(t)
			tt.edit(trial)
			checkBroken(t, trial, tt.want)
		})
	}
}

func TestBrokenControl(t *testing.T) {
	for _, tt := range []struct {
		name       string
		pids, kmem uint64
		want       string
	}{
		{"at the tolerance", 10, 1_008_192, ""},
		{"below by the tolerance", 10, 991_808, ""},
		{"a foreign process", 11, 1_000_000, "pids.current grew by 1 and not by 0"},
		{"more kmem", 10, 1_008_193, "kernel memory changed by +8193 B without an army, which is more than 8192 B"},
		{"less kmem", 10, 991_807, "kernel memory changed by -8193 B without an army, which is more than 8192 B"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkBroken(t, &trial{
				army:   army{parallel: 1, spawn: "exec"},
				lab:    smallLab(t),
				before: sampleOf(10, 1_000_000, 0, 0, 0, 0),
				after:  sampleOf(tt.pids, tt.kmem, 0, 0, 0, 0),
				reaped: sampleOf(10, 1_000_000, 0, 0, 0, 0),
			}, tt.want)
		})
	}
}

func checkBroken(t *testing.T, trial *trial, want string) {
	t.Helper()
	got := ""
	if err := trial.broken(); err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("broken: %q\nwant    %q", got, want)
	}
}

func TestEnds(t *testing.T) {
	trial := goodTrial(t)
	trial.reap.Signals, trial.reap.Exited, trial.reap.Killed, trial.reap.Dumped = 3, 97, 2, 1
	if diff := cmp.Diff(results.Ends{Known: true, Signals: 3, Exited: 97, Killed: 2, Dumped: 1}, trial.ends()); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	trial := goodTrial(t)
	trial.raise.Spawn = 5 * time.Millisecond
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
	if diff := cmp.Diff(want, trial.values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	// Others measure zombies too, and nobody times theirs.
	if diff := cmp.Diff(want[:7], Values(trial.lab, 100, trial.before, trial.after)); diff != "" {
		t.Errorf("values of two samples (-want +got):\n%s", diff)
	}
}

// What is not charged is not predicted to be.
func TestUnchargedCachesAreNotPredicted(t *testing.T) {
	trial := goodTrial(t)
	trial.after.Slab.Caches = append(trial.after.Slab.Caches, measure.SlabLine{Name: "kmalloc-64", ActiveObjs: 100, ObjSize: 64})
	for _, v := range trial.values() {
		if v.Unit == results.UnitPredicted && v.Value != 5_960_000 {
			t.Errorf("predicted %v B, want 5960000: kmalloc-64 is not charged", v.Value)
		}
	}
}

// A control says by how much everything moved, and of what has no size without
// an army, nothing.
func TestValuesOfControls(t *testing.T) {
	trial := goodTrial(t)
	trial.count = 0
	want := []results.Value{
		{Unit: "kmem-B", Value: 960_000}, {Unit: "slab-B", Value: 1_100_000}, {Unit: "sunreclaim-B", Value: 1_000_000}, {Unit: "pids", Value: 100},
	}
	if diff := cmp.Diff(want, trial.values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// What could not be read is absent, and never zero.
func TestMissingInstrumentsAreAbsent(t *testing.T) {
	for _, tt := range []struct {
		name    string
		missing func(*bench.Sample)
		want    []string
	}{
		{"no cgroup, no slabinfo", func(s *bench.Sample) { s.Pids, s.Kmem, s.Slab = nil, nil, nil },
			[]string{"slab-B/1000zombies", "sunreclaim-B/1000zombies", "ns/zombie"}},
		{"the cgroup alone", func(s *bench.Sample) { s.Mem, s.Slab = nil, nil },
			[]string{"kmem-B/1000zombies", "pids/zombie", "ns/zombie"}},
		{"nothing", func(s *bench.Sample) { *s = bench.Sample{} }, []string{"ns/zombie"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial := goodTrial(t)
			trial.raise.Spawn = time.Millisecond
			for _, s := range []*bench.Sample{&trial.before, &trial.after, &trial.reaped} {
				tt.missing(s)
			}
			if diff := cmp.Diff(tt.want, units(trial.values())); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
			checkBroken(t, trial, "")
		})
	}
}

func daemonReport(standing, threads int) daemon.Report {
	return daemon.Report{Phase: daemon.Standing, Standing: standing, Threads: threads}
}

func reapReport(exited uint64, threads int) daemon.Report {
	return daemon.Report{Phase: daemon.Reaped, Exited: exited, Threads: threads}
}
