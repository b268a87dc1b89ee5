package memory

import (
	"math"
	"slices"

	"zombench/bench"
	"zombench/measure"
)

// The instruments that see the whole system see everybody in it. What the army
// itself must have added is known exactly, from the cgroup's charge and the
// number of zombies, and a trial in which they saw something else is flagged; it
// counts all the same.
var (
	otherTasks = warning{"other processes began or ended", " meanwhile: stop what forks"}
	otherSlab  = warning{"SUnreclaim moved by more than the army's charge explains", ": something else took or gave back kernel memory meanwhile; stop it"}
)

// A warning says what moved, and what may have been at work if nobody is known.
type warning struct{ what, unknown string }

// by returns a warning for each of those who may have done it.
func (w warning) by(who ...string) (all []string) {
	const end = ", or take more --samples"
	if len(who) == 0 {
		return []string{w.what + w.unknown + end}
	}
	for _, did := range who {
		all = append(all, w.what+" while "+did+": stop it"+end)
	}
	return all
}

// otherShare is what share of the army's own part others may add to an
// instrument before a trial is flagged.
const otherShare = 0.005

// noise says which system-wide instruments saw more or less than the army.
func (t *trial) noise() (warnings []string) {
	before, after := t.before, t.after
	if before.Slab == nil || after.Slab == nil {
		return nil
	}
	n := float64(t.count)
	was, _ := before.Slab.Lookup(bench.TaskStruct)
	is, _ := after.Slab.Lookup(bench.TaskStruct)
	if others := bench.Delta(was.ActiveObjs, is.ActiveObjs) - n; math.Abs(others) > max(2, otherShare*n) {
		warnings = append(warnings, otherTasks.by(t.forked...)...)
	}
	if before.Mem == nil || after.Mem == nil {
		return warnings
	}
	least, most, charged := t.slabs()
	slack := max(2*bench.SlabTolerance, otherShare*most)
	seen := bench.Delta(before.Mem.SUnreclaim, after.Mem.SUnreclaim)
	mistaken := false // others grew by an object for each zombie, and pass for its own
	if grown, ok := bench.Change(before.Kmem, after.Kmem); ok {
		mistaken = charged > (1+unchargedShare)*grown
	}
	if seen < least-slack || seen > most+slack || mistaken {
		warnings = append(warnings, otherSlab.by(slices.Concat(t.forked, t.looked)...)...)
	}
	return warnings
}

// unchargedShare is what share of a zombie may not be charged to its cgroup:
// on some kernels the blobs of security modules.
const unchargedShare = 0.02

// slabs returns between which bounds, in bytes, the slabs of an army and
// of what was left by looking at it must lie, as far as they are not reclaimable:
// objects first go where there was room in slabs
// before, and which ones do is not known. It also returns what these objects
// should have charged to the cgroup, in bytes.
func (t *trial) slabs() (least, most, charged float64) {
	if t.count == 0 {
		return 0, 0, 0
	}
	n, whose := float64(t.count), t.shares()
	for _, c := range t.after.Slab.Caches {
		each, looks := whose[c.Name].Own, whose[c.Name].Watchers
		if each+looks == 0 || c.ObjsPerSlab == 0 || t.lab.Instruments.Reclaimable(c.Name) {
			continue
		}
		was, _ := t.before.Slab.Lookup(c.Name)
		slab := float64(c.PagesPerSlab) * float64(t.lab.Machine.PageSize)
		perSlab := float64(c.ObjsPerSlab)
		free := bench.Delta(was.ActiveObjs, was.NumObjs)
		least += max(0, math.Ceil((n*each-free)/perSlab)) * slab
		// For each slab memcg keeps a pointer for each object, rounded up to
		// a power of two at most.
		most += math.Ceil(n*(each+looks)/perSlab) * (slab + 2*measure.MemcgPointer*perSlab)
		charged += n * each * (float64(c.ObjSize) + measure.MemcgPointer)
	}
	return least, most, charged
}
