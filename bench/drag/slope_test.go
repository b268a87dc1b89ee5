package drag

import (
	"math"
	"slices"
	"testing"

	"zombench/bench/labtest"
)

// A point is a trial: zombies, and for how long forks were held up in ns.
type point struct{ count, stall float64 }

// slope is Theil and Sen's: the median of the slopes of all pairs, with Sen's
// interval (95 %).
func slope(points []point) (lo, mid, hi float64) {
	var all []float64
	ties := make(map[float64]int)
	for i, p := range points {
		ties[p.count]++
		for _, q := range points[:i] {
			if p.count != q.count {
				all = append(all, (p.stall-q.stall)/(p.count-q.count))
			}
		}
	}
	slices.Sort(all)
	term := func(n int) float64 { return float64(n * (n - 1) * (2*n + 5)) }
	variance := term(len(points))
	for _, n := range ties {
		variance -= term(n)
	}
	c := 1.96 * math.Sqrt(variance/18)
	at := func(rank float64) float64 { return all[min(max(int(rank), 0), len(all)-1)] }
	n := float64(len(all))
	return at((n - c) / 2), median(slices.Clone(all)), at((n + c) / 2)
}

func TestSlope(t *testing.T) {
	var line, flat []point
	for i := range 5 {
		for _, noise := range []float64{-3, 0, 3} {
			count := float64(100 * (i + 1))
			line = append(line, point{count, 2*count + noise})
			flat = append(flat, point{count, 7 + noise})
		}
	}
	if lo, mid, hi := slope(line); math.Abs(mid-2) > 0.01 || lo > 2 || hi < 2 || lo < 1.9 {
		t.Errorf("a slope of 2 is %v, %v to %v", mid, lo, hi)
	}
	if lo, _, hi := slope(flat); lo > 0 || hi < 0 {
		t.Errorf("no slope is %v to %v", lo, hi)
	}
}

// A parent that ends holds up everybody's forks, for longer the more zombies it
// leaves; doing nothing does not. No figure is asked of this machine.
func TestStallGrows(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"count": "1000,3000,8000"})
	points := make(map[string][]point)
	for range 4 {
		for _, r := range labtest.Trials(t, e, Bench+"/actor=(parent-exit|nothing)$") {
			if r.Broken != "" {
				t.Fatalf("%s is broken: %s", r.Name(), r.Broken)
			}
			if stall, ok := r.Value(fork + unitLongest); ok && !r.Control {
				actor := r.Param("actor")
				points[actor] = append(points[actor], point{float64(r.N), stall})
			}
		}
	}
	lo, mid, hi := slope(points["parent-exit"])
	t.Logf("parent-exit: %.0f ns a zombie, %.0f to %.0f", mid, lo, hi)
	if lo <= 0 {
		t.Errorf("parent-exit: %.0f ns a zombie, %.0f to %.0f; want more than 0", mid, lo, hi)
	}
	nothingLo, nothing, nothingHi := slope(points["nothing"])
	t.Logf("nothing: %.0f ns a zombie, %.0f to %.0f", nothing, nothingLo, nothingHi)
	if math.Abs(nothing) > mid/10 {
		t.Errorf("nothing: %.0f ns a zombie, which is no less than a tenth of what a parent's end costs", nothing)
	}
}
