package reaping

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	steps := labtest.Values(t, small(t), "^WaitOrder$", UnitSteps)
	if soon, late := steps("order="+parent.AnyDead), steps("order="+parent.Fixed); !(soon < late) {
		t.Errorf("zombie-steps: %v and %v", soon, late)
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

// Whenever a run is interrupted, it ends at once, the trial at work is no result,
// and nothing of it is left (the record of the run checks that).
func TestInterrupted(t *testing.T) {
	for _, tt := range []struct{ bench, at string }{
		{"Reap", "starting a parent"}, {"Reap", "raising"}, {"Reap", "reaping"},
		{"WaitOrder", "waiting in order"}, {"Adopt", "killing the parent"},
		{"Exhaust", "reaping"}, {"Standing", "watching"}, {"Standing", "giving pids out"},
	} {
		t.Run(tt.bench+" "+tt.at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			trials, tally, err := labtest.TryTrials(t, ctx, small(t), "^"+tt.bench+"$", func(what string) {
				if strings.HasPrefix(what, tt.at) {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) && len(tally.Skipped) == 0 {
				t.Errorf("error %v, want that the context ended", err)
			}
			for _, r := range trials {
				if r.Broken != "" {
					t.Errorf("%s is recorded as broken: %s", r.Name(), r.Broken)
				}
			}
		})
	}
}

// What makes no sense is refused, and by name.
func TestFields(t *testing.T) {
	for name, values := range map[string][]string{
		"count": {"0", "-1", "many"}, "parallel": {"0", "100000"}, "children": {"0", "1001"},
		"step": {"0", "-1s", "1"}, "stand": {"0"},
	} {
		for _, value := range values {
			e := Experiment()
			i := slices.IndexFunc(e.Fields, func(f bench.Field) bool { return f.Name == name })
			if i < 0 {
				t.Fatalf("no field %s", name)
			}
			if err := e.Fields[i].Value.Set(value); err == nil {
				t.Errorf("%s %q is accepted", name, value)
			}
		}
	}
}

// Every benchmark has a control but WaitOrder, where each order is the other's.
func TestSetups(t *testing.T) {
	e := small(t)
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	names, controls := make(map[string]bool), make(map[string]bool)
	for _, s := range setups {
		if names[s.Name()] {
			t.Errorf("two setups are called %s", s.Name())
		}
		names[s.Name()] = true
		controls[s.Bench] = controls[s.Bench] || s.Control
		if s.About == "" || s.Group != s.Bench {
			t.Errorf("%s: about %q, in group %q", s.Name(), s.About, s.Group)
		}
	}
	want := map[string]bool{Reap: true, WaitOrder: false, Adopt: true, Exhaust: true, Standing: true}
	if diff := cmp.Diff(want, controls); diff != "" {
		t.Errorf("benchmarks with a control (-want +got):\n%s", diff)
	}
}
