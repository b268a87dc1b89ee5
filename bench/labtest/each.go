package labtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/results"
)

// Each runs every setup of an experiment that matches a pattern once, in one
// run, and has each trial checked in a subtest of the benchmark's name. A trial
// that is broken again and again fails, as does a value in a unit that the
// experiment does not explain, and what this machine cannot do is skipped, and
// returned.
func Each(t *testing.T, e bench.Experiment, pattern string, check func(*testing.T, results.Trial)) []bench.Skip {
	t.Helper()
	trials, tally, err := TryTrials(t, t.Context(), e, pattern, nil)
	if len(trials) == 0 {
		skip(t, tally.Skipped)
	}
	if err != nil {
		t.Error(err)
	}
	for _, r := range trials {
		t.Run(subtest(r.Name()), func(t *testing.T) {
			// What a busy host does to one trial it does not do to three.
			for try := 1; r.Broken != "" && try < 3; try++ {
				t.Logf("broken: %s; once more", r.Broken)
				r = again(t, e, r)
			}
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
	return tally.Skipped
}

// Values is Each for setups that are compared: it returns what was measured in a unit
// by the one benchmark whose name contains a part, such as size=0. The test is skipped
// unless all can run here.
func Values(t *testing.T, e bench.Experiment, pattern, unit string) func(part string) float64 {
	t.Helper()
	values := make(map[string]float64)
	skip(t, Each(t, e, pattern, func(t *testing.T, r results.Trial) { values[r.Name()] = Value(t, r, unit) }))
	return func(part string) float64 {
		t.Helper()
		value, err := only(values, part)
		if err != nil {
			t.Error(err)
		}
		return value
	}
}

// only returns the value of the one name that contains a part.
func only(values map[string]float64, part string) (value float64, err error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.Contains(name, part) {
			names, value = append(names, name), values[name]
		}
	}
	if len(names) != 1 {
		return 0, fmt.Errorf("%q is part of %q, want one of the names %q", part, names, slices.Sorted(maps.Keys(values)))
	}
	return value, nil
}

// again repeats a trial, and returns it as it was if it cannot be run alone.
func again(t *testing.T, e bench.Experiment, r results.Trial) results.Trial {
	t.Helper()
	elements := strings.Split(r.Name(), "/")
	for i, element := range elements {
		elements[i] = "^" + regexp.QuoteMeta(element) + "$"
	}
	trials, _, err := TryTrials(t, t.Context(), e, strings.Join(elements, "/"), nil)
	if err != nil {
		t.Error(err)
	}
	for _, repeated := range trials {
		if repeated.Name() == r.Name() {
			return repeated
		}
	}
	return r
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
