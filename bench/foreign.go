package bench

import (
	"math"

	"zombench/measure"
)

// The instruments that see the whole system see everybody in it. What the army
// itself must have added is known exactly, from the cgroup's charge and the
// number of zombies, and a trial in which they saw something else is doubtful:
// it is flagged, and counts all the same.
const (
	foreignTasks = "other processes began or ended meanwhile: stop what forks, or take more --samples"
	foreignSlab  = "SUnreclaim moved by more than the army's charge explains: something else took or gave back kernel memory meanwhile; stop it, or take more --samples"
)

// foreignShare is what share of the army's own part others may add to an
// instrument before a trial is flagged.
const foreignShare = 0.005

// foreign says which system-wide instruments saw more or less than the army.
func (l *Lab) foreign(t *Trial) (doubts []string) {
	if t.Before.Slab == nil || t.After.Slab == nil {
		return nil
	}
	n := float64(t.Count)
	before, _ := t.Before.Slab.Lookup(taskStruct)
	after, _ := t.After.Slab.Lookup(taskStruct)
	if others := delta(before.ActiveObjs, after.ActiveObjs) - n; math.Abs(others) > max(2, foreignShare*n) {
		doubts = append(doubts, foreignTasks)
	}
	if t.Before.Mem == nil || t.After.Mem == nil {
		return doubts
	}
	least, most, charged := l.slabsOf(t)
	slack := max(2*slabTolerance, foreignShare*most)
	seen := delta(t.Before.Mem.SUnreclaim, t.After.Mem.SUnreclaim)
	mistaken := false // others grew by an object for each zombie, and pass for its own
	if t.Before.Kmem != nil && t.After.Kmem != nil {
		mistaken = charged > (1+unchargedShare)*delta(*t.Before.Kmem, *t.After.Kmem)
	}
	if seen < least-slack || seen > most+slack || mistaken {
		doubts = append(doubts, foreignSlab)
	}
	return doubts
}

// unchargedShare is what share of a zombie may not be charged to its cgroup:
// on some kernels the blobs of security modules.
const unchargedShare = 0.02

// slabsOf returns between which bounds, in bytes, the slabs of a trial's army
// must lie that are not reclaimable: objects first go where there was room in
// slabs before, and which ones do is not known. It also returns what these
// objects should have charged to the cgroup, in bytes.
//
// How many objects of a cache a zombie has is a whole number, so that of the
// system's growth the part of others drops out in rounding.
func (l *Lab) slabsOf(t *Trial) (least, most, charged float64) {
	if t.Count == 0 {
		return 0, 0, 0
	}
	n := float64(t.Count)
	for _, c := range t.After.Slab.Caches {
		was, _ := t.Before.Slab.Lookup(c.Name)
		gained := delta(was.ActiveObjs, c.ActiveObjs)
		each := math.Round(gained / n)
		if !measure.GainedByEach(gained, uint64(t.Count)) || c.ObjsPerSlab == 0 || l.Instruments.reclaimable[c.Name] {
			continue
		}
		slab := float64(c.PagesPerSlab) * float64(l.Machine.PageSize)
		perSlab := float64(c.ObjsPerSlab)
		free := delta(was.ActiveObjs, was.NumObjs)
		least += max(0, math.Ceil((n*each-free)/perSlab)) * slab
		// For each slab memcg keeps a pointer for each object, rounded up to
		// a power of two at most.
		most += math.Ceil(n*each/perSlab) * (slab + 2*measure.MemcgPointer*perSlab)
		charged += n * each * (float64(c.ObjSize) + measure.MemcgPointer)
	}
	return least, most, charged
}
