package reaping

import (
	"strconv"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/bench/reaping/parent"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

const (
	count    = 300
	parallel = 4
)

// small is the experiment with every trial soon over.
func small(t *testing.T) bench.Experiment {
	return labtest.Set(t, Experiment(), map[string]string{
		"count": strconv.Itoa(count), "parallel": strconv.Itoa(parallel),
		"children": "10", "step": "10ms", "stand": "100ms",
	})
}

// Every way in which an army can end, for real, and what shows that it would
// not end otherwise.
func TestReap(t *testing.T) {
	labtest.Each(t, small(t), "^Reap$", func(t *testing.T, r results.Trial) {
		if r.Control {
			if left := labtest.Value(t, r, UnitLeft); left != count {
				t.Errorf("%v zombies are left, want all %d", left, count)
			}
			return
		}
		switch r.Param("method") {
		case parent.Ignore, parent.NoCldWait:
			if peak, ok := r.Value(UnitPeak); ok && peak > parallel {
				t.Errorf("%v zombies stood, at most %d children were alive", peak, parallel)
			}
		default:
			if peak := labtest.Value(t, r, UnitPeak); peak != count {
				t.Errorf("%v zombies stood before the end, want %d", peak, count)
			}
			if ns := labtest.Value(t, r, UnitReapTime); ns <= 0 {
				t.Errorf("%v ns a zombie", ns)
			}
		}
	})
}

// In real time nothing is promised here but the order of the two.
func TestWaitOrder(t *testing.T) {
	steps := make(map[string]float64)
	labtest.Each(t, small(t), "^WaitOrder$", func(t *testing.T, r results.Trial) {
		steps[r.Param("order")] = labtest.Value(t, r, UnitSteps)
	})
	if !(steps[parent.AnyDead] < steps[parent.Fixed]) {
		t.Errorf("zombie-steps: %v", steps)
	}
}

// An army meets each limit, and nobody else does.
func TestExhaust(t *testing.T) {
	labtest.Each(t, small(t), "^Exhaust$", func(t *testing.T, r results.Trial) {
		if r.Control {
			if n := labtest.Value(t, r, UnitStood); n != 2*count+100 {
				t.Errorf("%v zombies stand without a limit", n)
			}
			return
		}
		var at []results.Value
		for _, v := range r.Values {
			if strings.HasPrefix(v.Unit, UnitAt) {
				at = append(at, v)
			}
		}
		if len(at) != 1 || at[0].Value < 1 {
			t.Fatalf("the limit was met at %v", at)
		}
		if limit := r.Param("limit"); limit != "memory.max" && at[0] != (results.Value{Unit: "zombies-at-EAGAIN", Value: count}) {
			t.Errorf("%s was met at %v, want EAGAIN at %d", limit, at, count)
		}
		if n := labtest.Value(t, r, UnitRecovers); n < 1 {
			t.Error("no fork works after the reap")
		}
	})
}

// The children of a dead parent, dead and living, come to the nearest subreaper
// or to the init of the namespace, and past an ancestor that is neither.
func TestAdopt(t *testing.T) {
	const all = count + count/livingShare
	labtest.Each(t, small(t), "^Adopt$", func(t *testing.T, r results.Trial) {
		unit := UnitAdopted
		if r.Control {
			unit = UnitPassed
		}
		if n := labtest.Value(t, r, unit); n != all {
			t.Errorf("%s: %v, want %d", unit, n, all)
		}
	})
}

func TestStanding(t *testing.T) {
	labtest.Each(t, small(t), "^Standing$", func(t *testing.T, r results.Trial) {
		if r.Param("what") == "pids" {
			if n := labtest.Value(t, r, UnitAgain); n != count {
				t.Errorf("%v pids were given out again after the reap, want all %d", n, count)
			}
			return
		}
		labtest.Value(t, r, UnitCPU)
	})
}
