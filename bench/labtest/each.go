package labtest

import (
	"slices"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/results"
)

// Each runs every setup of an experiment that matches a pattern once, in one
// run, and has each trial checked in a subtest of the benchmark's name. A trial
// that is broken fails, as does a value in a unit that the experiment does not
// explain, and what this machine cannot do is skipped.
func Each(t *testing.T, e bench.Experiment, pattern string, check func(*testing.T, results.Trial)) {
	t.Helper()
	trials, tally, err := TryTrials(t, t.Context(), e, pattern, nil)
	if err != nil {
		t.Error(err)
	}
	for _, r := range trials {
		t.Run(subtest(r.Name()), func(t *testing.T) {
			for _, note := range r.Notes {
				t.Log(note)
			}
			t.Log(r.Values)
			if r.Broken != "" {
				t.Fatalf("broken: %s", r.Broken)
			}
			for _, v := range r.Values {
				if !slices.ContainsFunc(e.Units, func(u results.Unit) bool { return u.Name == v.Unit && u.Meaning != "" }) {
					t.Errorf("nobody says what %s means", v.Unit)
				}
			}
			check(t, r)
		})
	}
	for _, skip := range tally.Skipped {
		t.Run(subtest(skip.Name), func(t *testing.T) { t.Skip(skip.Err) })
	}
}

// subtest makes a name that is one element of a test's.
func subtest(benchmark string) string { return strings.ReplaceAll(benchmark, "/", ",") }

// Value returns what a trial has measured in a unit; that it was not is an
// error.
func Value(t testing.TB, r results.Trial, unit string) float64 {
	t.Helper()
	v, ok := r.Value(unit)
	if !ok {
		t.Errorf("%s: no %s among %v", r.Name(), unit, r.Values)
	}
	return v
}
