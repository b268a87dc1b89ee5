package main

import (
	"slices"
	"strings"
	"testing"

	"zombench/bench/kernels/job"
	"zombench/results"
)

func TestPlanOf(t *testing.T) {
	j := job.Job{Fields: map[string]string{"count": "1,22", "parallel": "3", "spawn": "clone"}, Samples: 4, Seed: 5}
	p, err := planOf(j)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Counts, []int{1, 22}) || !slices.Equal(p.Parallels, []int{3}) || !slices.Equal(p.Spawns, []string{"clone"}) ||
		p.Samples != 4 || p.Seed != 5 {
		t.Errorf("%+v became %+v", j, p)
	}
	for _, bad := range []string{"", "0", "many", "1,,2"} {
		j.Fields["count"] = bad
		if _, err := planOf(j); err == nil || !strings.Contains(err.Error(), "count") {
			t.Errorf("count=%q: %v", bad, err)
		}
	}
}

func TestTimeless(t *testing.T) {
	var got results.Trial
	rec := timeless{recorderFunc(func(r results.Trial) error { got = r; return nil })}
	in := results.Trial{Values: []results.Value{{Unit: results.UnitTime, Value: 1}, {Unit: results.UnitKmem, Value: 2}}}
	if err := rec.WriteTrial(in); err != nil {
		t.Fatal(err)
	}
	if len(got.Values) != 1 || got.Values[0].Unit != results.UnitKmem || in.Values[0].Unit != results.UnitTime {
		t.Errorf("%v became %v", in.Values, got.Values)
	}
}

type recorderFunc func(results.Trial) error

func (f recorderFunc) WriteTrial(t results.Trial) error { return f(t) }
