package drag

import (
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/results"
)

// The test binary is its own actor and its own bystanders.
func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

// small makes the experiment soon over.
func small(t *testing.T) bench.Experiment {
	t.Helper()
	return labtest.Set(t, Experiment(), map[string]string{"count": "300", "rounds": "3"})
}

// Every actor acts for real, beside a small army and without one.
func TestActors(t *testing.T) {
	for _, a := range actors() {
		t.Run(a.name, func(t *testing.T) {
			trials := labtest.Trials(t, small(t), "Drag/actor="+a.name+"$")
			controls := 0
			for _, r := range trials {
				check(t, r)
				if r.Control {
					controls++
				}
			}
			if len(trials) != 2 || controls != 1 {
				t.Errorf("%d trials, %d of them controls; want one beside an army and one without", len(trials), controls)
			}
		})
	}
}

func check(t *testing.T, r results.Trial) {
	t.Helper()
	t.Log(r.Name(), r.Values)
	for _, note := range r.Notes {
		t.Log(note)
	}
	if r.Broken != "" {
		t.Fatalf("broken: %s", r.Broken)
	}
}
