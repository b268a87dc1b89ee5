package drag

import (
	"math"
	"testing"

	"zombench/bench/labtest"
	"zombench/results/stats"
)

// points are trials: zombies, and for how long something took in ns.
type points struct{ counts, ns []float64 }

func (p *points) add(count int, ns float64) {
	p.counts, p.ns = append(p.counts, float64(count)), append(p.ns, ns)
}

// slope estimates the ns of a zombie.
func (p *points) slope(t *testing.T) stats.Slope {
	t.Helper()
	s, err := stats.TheilSen(p.counts, p.ns, stats.Confidence)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f ns a zombie (%.1f to %.1f), %d trials", s.Slope, s.Lo, s.Hi, s.N)
	return s
}

// A parent that ends holds up everybody's forks, for longer the more zombies it
// leaves; doing nothing does not. No figure is asked of this machine.
func TestStallGrows(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"count": "1000,3000,8000"})
	seen := map[string]*points{"parent-exit": {}, "nothing": {}}
	for range 4 {
		for _, r := range labtest.Trials(t, e, Bench+"/actor=(parent-exit|nothing)$") {
			if r.Broken != "" {
				t.Fatalf("%s is broken: %s", r.Name(), r.Broken)
			}
			if stall, ok := r.Value(fork + unitLongest); ok && !r.Control {
				seen[r.Param("actor")].add(r.N, stall)
			}
		}
	}
	exit, nothing := seen["parent-exit"].slope(t), seen["nothing"].slope(t)
	if exit.Lo <= 0 {
		t.Errorf("parent-exit: %.0f ns a zombie, %.0f to %.0f; want more than 0", exit.Slope, exit.Lo, exit.Hi)
	}
	if math.Abs(nothing.Slope) > exit.Slope/10 {
		t.Errorf("nothing: %.0f ns a zombie, which is no less than a tenth of what a parent's end costs", nothing.Slope)
	}
}
