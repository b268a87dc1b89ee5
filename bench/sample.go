package bench

import (
	"slices"
	"time"

	"zombench/bench/cgroup"
	"zombench/bench/looks"
	"zombench/measure"
	"zombench/results"
)

// A Sample is what all instruments read at one moment. Instruments that are
// missing leave their part nil.
type Sample struct {
	Mem  *measure.Meminfo  // bytes, the whole system
	Slab *measure.Slabinfo // objects and slabs, the whole system
	Pids *uint64           // tasks charged to the trial's cgroup, zombies among them
	Kmem *uint64           // bytes of kernel memory charged to the trial's cgroup
	Made *uint64           // inodes that others made below /proc since the lab began to count

	From, At time.Duration // since the trial began: when the kernel began to settle, and when it had

	// Read only where ReadCgroups was called.
	Above *uint64 // bytes of kernel memory charged to the cgroup above the trial's, its own among them
	Dying *uint64 // cgroups that were removed and are still there; see cgroup.Cgroup.Dying
}

// A sampler takes samples of one trial.
type sampler struct {
	fs          measure.FS
	release     measure.Release
	instruments Instruments
	cgroup      *cgroup.Cgroup // nil without cgroups
	cgroups     bool           // read what is around the trial's cgroup, and below it
	tracker     *looks.Tracker // nil: nobody is followed
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
	if s.tracker != nil {
		if made, ok := s.tracker.Made(); ok {
			sample.Made = &made
		}
	}
	var err error
	sample.Kmem, err = s.kmem()
	if err != nil || !s.cgroups || s.cgroup == nil {
		return sample, err
	}
	if sample.Above, err = s.above(); err != nil {
		return sample, err
	}
	dying, err := s.cgroup.Dying(s.fs)
	if err == nil {
		sample.Dying = &dying
	}
	return sample, err
}

// above reads the kernel memory of the cgroup above the trial's, nil where that
// is the whole system's or cannot be measured.
func (s sampler) above() (*uint64, error) {
	memcg, ok := s.cgroup.Above()
	if !ok || !s.instruments.has(kmem) {
		return nil, nil
	}
	kernel, err := memcg.KernelMemory()
	if err != nil {
		return nil, err
	}
	return &kernel.Bytes, nil
}

// kmem reads the kernel memory of the trial's cgroup, nil where that cannot be
// measured.
func (s sampler) kmem() (*uint64, error) {
	if !s.instruments.has(kmem) {
		return nil, nil
	}
	memcg, _ := s.cgroup.Memory()
	if memcg.Version == 2 {
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

// TaskStruct is the slab cache of the kernel's process descriptors. It is
// never merged with another: it has a usercopy region of its own
// (kernel/fork.c, fork_init).
const TaskStruct = "task_struct"

// counters returns what a result file keeps of the sample besides slab caches.
func (s Sample) counters() []results.Counter {
	var all []results.Counter
	put := func(name string, value uint64) { all = append(all, results.Counter{Name: name, Value: value}) }
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
		if m.Percpu != nil {
			put("percpu-B", *m.Percpu)
		}
		if m.VmallocUsed != nil {
			put("vmalloc-B", *m.VmallocUsed)
		}
	}
	if s.Made != nil {
		put(results.CounterMade, *s.Made)
	}
	if s.At > 0 {
		put("from-ns", uint64(s.From))
		put("at-ns", uint64(s.At))
	}
	if s.Above != nil {
		put("above-kmem-B", *s.Above)
	}
	if s.Dying != nil {
		put("dying-cgroups", *s.Dying)
	}
	return all
}

// readings returns the samples of a trial as its record keeps them: all
// counters, and of the slab caches those that moved by more than a few objects
// or by more than one for each hundred zombies.
func readings(samples []moment, zombies int) []results.Reading {
	threshold := uint64(max(4, zombies/100))
	var caches []string
	for i, s := range samples {
		if i == 0 || s.Slab == nil || samples[i-1].Slab == nil {
			continue
		}
		for _, c := range s.Slab.Caches {
			before, _ := samples[i-1].Slab.Lookup(c.Name)
			if distance(before.ActiveObjs, c.ActiveObjs) >= threshold && !slices.Contains(caches, c.Name) {
				caches = append(caches, c.Name)
			}
		}
	}
	all := make([]results.Reading, 0, len(samples))
	for _, s := range samples {
		r := results.Reading{When: s.when, Counters: s.counters()}
		for _, name := range caches {
			if s.Slab == nil {
				break
			}
			if c, ok := s.Slab.Lookup(name); ok {
				r.Caches = append(r.Caches, results.CacheReading{Name: name, Objects: c.ActiveObjs, Slabs: c.NumSlabs})
			}
		}
		all = append(all, r)
	}
	return all
}

// describe returns what is known of the slab caches in a trial's readings, each
// once in a lab's life.
func (l *Lab) describe(all []results.Reading) (caches []results.Cache) {
	var names []string
	for _, reading := range all {
		for _, r := range reading.Caches {
			if !l.known[r.Name] && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	slab, err := l.FS.Slabinfo()
	if err != nil {
		return nil // whose readings are these?
	}
	for _, name := range names {
		line, ok := slab.Lookup(name)
		if !ok {
			continue
		}
		l.known[name] = true
		c := results.Cache{
			Name: name, Size: line.ObjSize, PerSlab: line.ObjsPerSlab,
			SlabBytes:   line.PagesPerSlab * uint64(l.Machine.PageSize),
			Reclaimable: l.Instruments.Reclaimable(name), Charged: results.Unknown,
		}
		if l.Instruments.uncharged[name] {
			c.Charged = results.No
		}
		if more, err := l.FS.SlabCache(name); err == nil {
			c.Used, c.Aliases = more.ObjectSize, more.Aliases
		}
		caches = append(caches, c)
	}
	return caches
}
