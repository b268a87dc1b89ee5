package memory

import (
	"os"
	"path/filepath"
	"testing"

	"zombench/bench"
	"zombench/measure"
	"zombench/results"
)

// smallLab is a lab of two CPUs whose kernel has, besides task_struct, one cache
// that is reclaimable (dentry) and one that is not charged (kmalloc-64).
func smallLab(t *testing.T) *bench.Lab {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"proc/slabinfo": "slabinfo - version: 2.1\n" +
			"task_struct 50 50 5952 5 8 : tunables 0 0 0 : slabdata 10 10 0\n" +
			"dentry 4000 4200 192 21 1 : tunables 0 0 0 : slabdata 200 200 0\n" +
			"kmalloc-64 640 640 64 64 1 : tunables 0 0 0 : slabdata 10 10 0\n",
		"sys/kernel/slab/task_struct/reclaim_account":   "0\n",
		"sys/kernel/slab/dentry/reclaim_account":        "1\n",
		"sys/kernel/slab/kmalloc-64/reclaim_account":    "0\n",
		"sys/kernel/slab/kmalloc-cg-64/reclaim_account": "0\n", // the twin that is charged
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fs := measure.FS{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys")}
	machine := measure.Machine{CPUs: 2, PageSize: 4096}
	instruments := bench.Probe(fs, machine, nil, measure.ErrNotSupported)
	if !instruments.Reclaimable("dentry") || !instruments.Uncharged()["kmalloc-64"] {
		t.Fatalf("the instruments do not see the lab's kernel: %+v", instruments)
	}
	return &bench.Lab{Host: bench.Host{FS: fs, Machine: machine, Instruments: instruments}}
}

// sampleOf makes a sample that every instrument has contributed to.
func sampleOf(pids, kmem, slab, sunreclaim, tasks, taskSlabs uint64) bench.Sample {
	return bench.Sample{
		Pids: &pids,
		Kmem: &kmem,
		Mem:  &measure.Meminfo{Slab: slab, SUnreclaim: sunreclaim},
		Slab: &measure.Slabinfo{Caches: []measure.SlabLine{{Name: bench.TaskStruct, ActiveObjs: tasks, ObjSize: 5952, ObjsPerSlab: 5, PagesPerSlab: 8, NumSlabs: taskSlabs}}},
	}
}

// goodTrial is an army of 100 as it should be.
func goodTrial(t *testing.T) *trial {
	t.Helper()
	return &trial{
		army:    army{count: 100, parallel: 1, spawn: "exec"},
		lab:     smallLab(t),
		before:  sampleOf(10, 1_000_000, 5_000_000, 4_000_000, 50, 10),
		after:   sampleOf(110, 1_960_000, 6_100_000, 5_000_000, 150, 30),
		reaped:  sampleOf(10, 1_004_096, 5_000_000, 4_000_000, 50, 10),
		threads: 12,
		raise:   daemonReport(100, 12),
		reap:    reapReport(100, 12),
	}
}

// units are those of a trial's values, in order.
func units(values []results.Value) (units []string) {
	for _, v := range values {
		units = append(units, v.Unit)
	}
	return units
}
