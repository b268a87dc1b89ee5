package memory

import (
	"zombench/bench"
	"zombench/measure"
	"zombench/results/shares"
)

// shares returns whose objects came with the army, for each zombie, by slab
// cache. What came with the army and went with it counts: the lesser of the two, so
// that what others did meanwhile drops out.
func (t *trial) shares() map[string]shares.Share {
	var growth []shares.Growth
	for _, c := range t.after.Slab.Caches {
		was, _ := t.before.Slab.Lookup(c.Name)
		grown := bench.Delta(was.ActiveObjs, c.ActiveObjs)
		if t.reaped.Slab != nil {
			left, _ := t.reaped.Slab.Lookup(c.Name)
			grown = min(grown, bench.Delta(left.ActiveObjs, c.ActiveObjs))
		}
		growth = append(growth, shares.Growth{Cache: c.Name, PerZombie: grown / float64(t.count), PerSlab: c.ObjsPerSlab, Size: c.ObjSize,
			Reclaimable: t.lab.Instruments.Reclaimable(c.Name), Uncharged: t.lab.Instruments.Uncharged()[c.Name]})
	}
	evidence := shares.Evidence{Pointer: measure.MemcgPointer}
	if charged, ok := bench.Change(t.before.Kmem, t.after.Kmem); ok {
		evidence.Charge = charged / float64(t.count)
	}
	return shares.Split(growth, evidence)
}

// predicted returns what a zombie's own objects should have charged to its
// cgroup, in bytes: object size and memcg's pointer for each that is charged.
//
// It knows of slab objects only: where a zombie keeps its kernel stack (armhf
// and mips64 do), more is charged.
func (t *trial) predicted() (bytes float64) {
	whose := t.shares()
	for _, c := range t.after.Slab.Caches {
		if !t.lab.Instruments.Uncharged()[c.Name] {
			bytes += whose[c.Name].Own * float64(c.ObjSize+measure.MemcgPointer)
		}
	}
	return bytes
}
