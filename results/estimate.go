package results

import (
	"errors"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// confidence is the level of every interval in this package.
const confidence = 0.95

// An Estimate is what one zombie adds to an instrument.
type Estimate struct {
	Unit string // as in the file, such as kmem-B/1000zombies

	// PerZombie is in base units (bytes), Lo and Hi are infinite if there are
	// too few trials for an interval.
	PerZombie, Lo, Hi float64

	// OneCount tells that all armies had one size: PerZombie is the median of
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

// Stands tells whether the estimate stands out from the noise: memory grew, by
// more for the largest army than it did in any control, and zero lies outside of
// the interval (if there is one).
func (e Estimate) Stands() bool {
	largest := float64(e.Counts[len(e.Counts)-1])
	if e.PerZombie <= 0 || e.PerZombie*largest <= e.Floor {
		return false
	}
	return math.IsInf(e.Lo, 0) || e.Lo > 0
}

// estimate estimates the bytes a zombie for one unit; ok is false if no trial
// has it.
func estimate(unit string, trials, controls []Record) (e Estimate, ok bool) {
	base, _, ok := PerZombies(unit)
	if !ok {
		return Estimate{}, false
	}
	e = Estimate{Unit: unit, Floor: -1}
	x, y := points(unit, trials)
	if len(x) == 0 {
		return Estimate{}, false
	}
	for _, n := range x {
		if !slices.Contains(e.Counts, int(n)) {
			e.Counts = append(e.Counts, int(n))
		}
	}
	slices.Sort(e.Counts)
	e.Trials = len(x)
	e.Floor, e.Controls = noiseFloor(base, controls)
	s, err := TheilSen(x, y, confidence)
	if err == nil {
		e.PerZombie, e.Lo, e.Hi, e.Intercept = s.Slope, s.Lo, s.Hi, s.Intercept
		return e, true
	}
	if !errors.Is(err, ErrOneX) {
		return Estimate{}, false // values beyond float64: no file of ours
	}
	e.OneCount = true
	for i := range y {
		y[i] /= x[i]
	}
	m := benchmath.AssumeNothing.Summary(benchmath.NewSample(y, &benchmath.DefaultThresholds), confidence)
	e.PerZombie, e.Lo, e.Hi = m.Center, m.Lo, m.Hi
	return e, true
}

// points are the armies' sizes and what they added to an instrument: a rate per
// zombies, made whole again.
func points(unit string, trials []Record) (x, y []float64) {
	_, per, ok := PerZombies(unit)
	if !ok {
		return nil, nil
	}
	for _, t := range trials {
		if v, ok := t.Value(unit); ok {
			n := float64(t.N)
			x, y = append(x, n), append(y, v*n/per)
		}
	}
	return x, y
}

// noiseFloor is the largest absolute difference that a control showed in a
// unit, and how many controls have it. The largest, not a quantile: controls are
// few, and what one of them did by chance a trial may do too.
func noiseFloor(unit string, controls []Record) (floor float64, n int) {
	floor = -1
	for _, c := range controls {
		if v, ok := c.Value(unit); ok {
			floor, n = max(floor, math.Abs(v)), n+1
		}
	}
	return floor, n
}

// isMemory tells whether a unit is bytes over zombies.
func isMemory(unit string) bool {
	base, _, ok := PerZombies(unit)
	return ok && (base == "B" || strings.HasSuffix(base, "-B"))
}

// slabUnit chooses the instrument that speaks for kernel slab.
//
// SUnreclaim holds all that a plain zombie leaves behind (task_struct, signal
// and sighand, pid, cred, LSM blobs come from caches that are not marked
// reclaimable), and is free of the dentries and inodes that whoever looks into
// /proc meanwhile adds to Slab: it is far the calmer of the two. But a child
// started by os/exec also keeps a pidfd, whose inode and dentry come from caches
// that are: reclaimable by their mark, pinned in fact as long as the descriptor
// is open. There only Slab has all of it, and likewise for ways of spawning of
// which nothing is known here. The choice is made by the way of spawning and
// never by the numbers, or it would choose the answer.
func slabUnit(spawn string, has func(unit string) bool) string {
	units := []string{UnitSlab, UnitSUnreclaim}
	if spawn == "exec" || spawn == "clone" {
		units = []string{UnitSUnreclaim, UnitSlab}
	}
	for _, u := range units {
		if has(u) {
			return u
		}
	}
	return ""
}
