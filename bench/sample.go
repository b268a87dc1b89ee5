package bench

import (
	"fmt"
	"math"
	"strings"

	"zombench/bench/cgroup"
	"zombench/measure"
)

// A Sample is what all instruments read at one moment. Instruments that are
// missing leave their part nil.
type Sample struct {
	Mem  *measure.Meminfo  // bytes, the whole system
	Slab *measure.Slabinfo // objects and slabs, the whole system
	Pids *uint64           // tasks charged to the trial's cgroup, zombies among them
	Kmem *uint64           // bytes of kernel memory charged to the trial's cgroup
}

// A sampler takes samples of one trial.
type sampler struct {
	fs          measure.FS
	release     measure.Release
	instruments Instruments
	cgroup      *cgroup.Cgroup // nil without cgroups
}

// sample reads every instrument once. Its cost does not depend on how many
// processes there are, and it looks at no process: each /proc/PID that is
// looked at costs a dentry and an inode.
func (s sampler) sample() (Sample, error) {
	var sample Sample
	if s.instruments.has(meminfo) {
		mem, err := s.fs.Meminfo()
		if err != nil {
			return sample, err
		}
		sample.Mem = &mem
	}
	if s.instruments.has(slabinfo) {
		slab, err := s.fs.Slabinfo()
		if err != nil {
			return sample, err
		}
		sample.Slab = &slab
	}
	if s.instruments.has(pids) {
		n, err := s.cgroup.Pids().Current()
		if err != nil {
			return sample, err
		}
		sample.Pids = &n
	}
	var err error
	sample.Kmem, err = s.kmem()
	if err != nil {
		return sample, err
	}
	return sample, nil
}

// kmem reads the kernel memory of the trial's cgroup, nil where that cannot be
// measured.
func (s sampler) kmem() (*uint64, error) {
	if !s.instruments.has(kmem) {
		return nil, nil
	}
	memcg, _ := s.cgroup.Memory()
	if memcg.Version == 2 && !s.instruments.lazy {
		if err := memcg.Flush(s.release); err != nil {
			return nil, err
		}
	}
	kernel, err := memcg.KernelMemory()
	if err != nil {
		return nil, err
	}
	return &kernel.Bytes, nil
}

// taskStruct is the slab cache of the kernel's process descriptors. It is
// never merged with another: it has a usercopy region of its own
// (kernel/fork.c, fork_init).
const taskStruct = "task_struct"

// String prints the sample as one line of key=value, for the comments of a
// result file.
func (s Sample) String() string {
	var b strings.Builder
	put := func(key string, value uint64) { fmt.Fprintf(&b, " %s=%d", key, value) }
	if s.Pids != nil {
		put("pids", *s.Pids)
	}
	if s.Kmem != nil {
		put("kmem-B", *s.Kmem)
	}
	if m := s.Mem; m != nil {
		put("slab-B", m.Slab)
		put("sreclaimable-B", m.SReclaimable)
		put("sunreclaim-B", m.SUnreclaim)
		put("kernelstack-B", m.KernelStack)
		put("pagetables-B", m.PageTables)
		put("memfree-B", m.MemFree)
	}
	if s.Slab != nil {
		if line, ok := s.Slab.Lookup(taskStruct); ok {
			put(taskStruct, line.ActiveObjs)
			put(taskStruct+"-slabs", line.NumSlabs)
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}

// none tells whether no instrument has contributed: the sample was not taken.
func (s Sample) none() bool {
	return s.Mem == nil && s.Slab == nil && s.Pids == nil && s.Kmem == nil
}

// delta returns after-before of two readings, which may go down.
func delta(before, after uint64) float64 { return float64(int64(after - before)) }

// distance returns by how much two readings differ.
func distance(a, b uint64) uint64 { return uint64(math.Abs(delta(a, b))) }
