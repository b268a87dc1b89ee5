package stats

import (
	"errors"
	"math"
	"slices"

	"zombench/results"
)

// An Estimate is what one zombie adds to an instrument.
type Estimate struct {
	// PerZombie is in base units (bytes); Lo and Hi are infinite if there are
	// too few trials for an interval.
	PerZombie, Lo, Hi float64

	// OneCount reports whether all armies had one size: PerZombie is the median of
	// single differences then, in which partly filled slabs are mistaken for
	// small zombies. Otherwise it is the Theil-Sen slope over Counts.
	OneCount  bool
	Intercept float64 // of the slope: bytes of an army of nobody
	Counts    []int   // sizes of the armies, ascending
	Trials    int

	// Floor is the largest difference, in bytes, that a control without zombies
	// showed; -1 if no control has this instrument.
	Floor    float64
	Controls int
}

// AboveNoise reports whether the instrument grew by more than noise: by more
// with the largest army than in any control, and zero lies outside of the interval
// (if there is one).
func (e Estimate) AboveNoise() bool {
	largest := float64(e.Counts[len(e.Counts)-1])
	if e.PerZombie <= 0 || e.PerZombie*largest <= e.Floor {
		return false
	}
	return math.IsInf(e.Lo, 0) || e.Lo > 0
}

// NewEstimate estimates from the sizes of armies and what each added, and from
// what controls added. An error says that there are no armies, or no numbers.
func NewEstimate(counts, added, controls []float64) (Estimate, error) {
	e := Estimate{Trials: len(counts), Floor: -1, Controls: len(controls)}
	for _, n := range counts {
		e.Counts = AddNew(e.Counts, int(n))
	}
	slices.Sort(e.Counts)
	for _, c := range controls {
		e.Floor = max(e.Floor, math.Abs(c))
	}
	s, err := TheilSen(counts, added, Confidence)
	switch {
	case err == nil:
		e.PerZombie, e.Lo, e.Hi, e.Intercept = s.Slope, s.Lo, s.Hi, s.Intercept
	case errors.Is(err, ErrOneX) && len(counts) > 0:
		e.OneCount = true
		each := make([]float64, len(counts))
		for i := range each {
			each[i] = added[i] / counts[i]
		}
		m := Median(each)
		e.PerZombie, e.Lo, e.Hi = m.Center, m.Lo, m.Hi
	default:
		return Estimate{}, err
	}
	return e, nil
}

// Points are the sizes of armies and what each added to an instrument: a rate
// over zombies, made whole again.
func Points(unit string, trials []*results.Record) (counts, added []float64) {
	_, per, ok := results.PerZombies(unit)
	if !ok {
		return nil, nil
	}
	for _, t := range trials {
		if v, ok := t.Value(unit); ok {
			n := float64(t.N)
			counts, added = append(counts, n), append(added, v*n/per)
		}
	}
	return counts, added
}

// estimateOf estimates by the values of one unit.
func estimateOf(unit string, trials, controls []*results.Record) (Estimate, error) {
	counts, added := Points(unit, trials)
	base, _, _ := results.PerZombies(unit)
	var moved []float64
	for _, c := range controls {
		if v, ok := c.Value(base); ok {
			moved = append(moved, v)
		}
	}
	return NewEstimate(counts, added, moved)
}
