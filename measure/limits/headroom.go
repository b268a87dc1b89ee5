package limits

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"zombench/measure"
)

// A Headroom is how many more processes fit under a limit.
type Headroom struct {
	Limit
	Fits uint64 // math.MaxUint64 if nothing bounds them
}

// Bounded reports whether the limit bounds anything.
func (h Headroom) Bounded() bool { return h.Fits != math.MaxUint64 }

// ReadHeadroom reads the limits of a query and returns how many processes fit under
// each, see [Query.Headroom]. What is returned beside an error is good, but not all.
func ReadHeadroom(fs measure.FS, q Query) ([]Headroom, error) {
	found, err := Read(fs, q)
	if err != nil {
		err = fmt.Errorf("reading the limits: %w", err)
	}
	return q.Headroom(found), err
}

// Headroom returns how many more processes fit under each limit, besides the
// extra tasks of the query, whose Count does not matter. The limit that is met
// first comes first; of equal ones, the one that the kernel asks first, given
// limits in the order of [Read]. Limits on descriptors are left out, and those
// on bytes if the query says nothing of memory.
func (q Query) Headroom(limits []Limit) []Headroom {
	var all []Headroom
	for _, l := range limits {
		h := Headroom{Limit: l, Fits: l.Room()}
		switch {
		case l.Unit == Descriptors, l.Unit == Bytes && q.bytesEach(l) == 0:
			continue
		case !h.Bounded():
		case l.Unit == Bytes:
			h.Fits /= q.bytesEach(l)
		default:
			h.Fits -= min(h.Fits, q.ExtraTasks)
		}
		all = append(all, h)
	}
	slices.SortStableFunc(all, func(a, b Headroom) int { return cmp.Compare(a.Fits, b.Fits) })
	return all
}
