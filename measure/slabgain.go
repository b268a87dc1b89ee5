package measure

// MemcgPointer is what a memory cgroup is charged for each slab object on top of
// its size, in bytes: the pointer to the object's obj_cgroup (obj_full_size in
// mm/slub.c, before 6.9 in mm/slab.h; Linux 5.9). It is that of 64-bit kernels.
const MemcgPointer = 8

// SlabGain is the growth of one cache between two readings of slabinfo.
type SlabGain struct {
	Name    string
	Objects int64  // active objects gained, negative if it lost some
	ObjSize uint64 // bytes
}

// SlabGains returns the caches whose number of active objects changed between
// the two readings, in the order of after. Caches are matched by name, and
// lines of one name are added up.
func SlabGains(before, after Slabinfo) []SlabGain {
	was := make(map[string]int64, len(before.Caches))
	for _, l := range before.Caches {
		was[l.Name] += int64(l.ActiveObjs)
	}
	now := make(map[string]int64, len(after.Caches))
	for _, l := range after.Caches {
		now[l.Name] += int64(l.ActiveObjs)
	}
	var gains []SlabGain
	for _, l := range after.Caches {
		n, todo := now[l.Name]
		if !todo {
			continue
		}
		delete(now, l.Name)
		if d := n - was[l.Name]; d != 0 {
			gains = append(gains, SlabGain{Name: l.Name, Objects: d, ObjSize: l.ObjSize})
		}
	}
	return gains
}

// GainedByEach reports whether objects that a cache has gained count as those of
// n like things that came to be meanwhile: at least half an object for each of
// them. Smaller gains are the noise of the rest of the system.
func GainedByEach(objects float64, n uint64) bool {
	return n > 0 && 2*objects >= float64(n)
}

// PredictCharge returns what n like things that came to be between two readings
// of slabinfo should have charged to their memory cgroup, in bytes for each: the
// sum of objects x (object size + [MemcgPointer]) over the caches that were
// [GainedByEach]. Caches that are known not to be charged ([FS.UnchargedSlab])
// are left out; nil knows of none. It is 0 if n is 0.
//
// The caches should have been shrunk ([FS.ShrinkSlab]) before both readings:
// free objects on a cpu's slab count as active, so that new objects which fill
// them are not seen as gains. It knows of slab objects only: where a zombie
// keeps its kernel stack (armhf and mips64 did), more is charged.
func PredictCharge(before, after Slabinfo, n uint64, uncharged map[string]bool) float64 {
	if n == 0 {
		return 0
	}
	var sum float64
	for _, g := range SlabGains(before, after) {
		if GainedByEach(float64(g.Objects), n) && !uncharged[g.Name] {
			sum += float64(g.Objects) * float64(g.ObjSize+MemcgPointer)
		}
	}
	return sum / float64(n)
}
