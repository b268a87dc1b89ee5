package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zombench/results"
)

func TestQuery(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	for _, tt := range []struct {
		q    Query
		want string // of the first comparison: unit, columns, keys, rows, what differs
	}{
		{Query{Col: "kernel", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [6.18.44 6.1.0] [count parallel spawn] 12 [goarch cpu page-size cgroup vm] []"},
		// rows that would mix two configurations: a table for each
		{Query{Col: "/parallel", Row: "/count@num", Filter: "/spawn:exec", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [1 50] [count] 3 [] [kernel=6.18.44 goarch=amd64 cpu=Some CPU @ 2.00GHz page-size=4096 cgroup=v1 vm=]"},
		{Query{Col: "/spawn", Row: "/count,/parallel", Units: []string{"sec"}, Filter: "kernel:6.18.44"}, "sec/zombie [exec os-exec] [count parallel] 6 [] []"},
		{Query{Row: "/count", Col: "goarch", Units: []string{"sunreclaim-B/1000zombies"}, Per: 1, Filter: `-/spawn:os-exec -/count:"500"`}, "sunreclaim-B/zombie [amd64 arm64] [count] 2 [kernel cpu page-size cgroup vm] []"},
		{Query{Col: "/parallel@(50 1)", Row: "/spawn", Filter: "kernel:6.18.44 /count:(500 OR 1000)", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [50 1] [spawn] 2 [] []"},
	} {
		c := report(t, set, tt.q).Comparisons[0]
		var of []string
		for _, p := range c.Of {
			of = append(of, p.Key+"="+p.Value)
		}
		if got := fmt.Sprint(c.Unit, " ", c.Cols, " ", c.Keys, " ", len(c.Rows), " ", c.Differs, " ", of); got != tt.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", tt.q, got, tt.want)
		}
	}

	for _, tt := range []struct {
		q    Query
		want string
	}{
		{Query{Filter: "/count:"}, "filter: syntax error"},
		{Query{Filter: "/count:7"}, "filter: nothing of what was read matches /count:7"},
		{Query{Col: "kernel@("}, "col: syntax error"},
		{Query{Row: "kernel@foo"}, `row: syntax error: unknown order "foo"`},
		{Query{Units: []string{"kg"}}, "unit: nothing was measured in kg; there are kmem-B/1000zombies,"},
		{Query{Per: -1}, "per: "},
	} {
		_, err := New(set, tt.q)
		var q *QueryError
		if !errors.As(err, &q) || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %s", tt.q, err, tt.want)
		}
	}
}

// A series holds every kernel of that name, whatever else is in its release.
func TestSeries(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-50-s390x":       "6.1",
		"6.12.107+deb13-amd64": "6.12",
		"7.3-rc1":              "7.3",
		"5.10":                 "5.10",
		"":                     "",
		"unknown":              "",
		"6.":                   "",
		".5":                   "",
	} {
		if got := seriesRE.FindString(release); got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
	var all []lab
	for _, of := range [][2]string{{"6.12.107+deb13-amd64", "amd64"}, {"6.1.0-50-amd64", "amd64"}, {"6.1.0-50-s390x", "s390x"}} {
		l := labs()["usual"][0]
		l.config = []results.Param{{Key: "kernel", Value: of[0]}, {Key: "goos", Value: "linux"}, {Key: "goarch", Value: of[1]}}
		all = append(all, l)
	}
	q := Query{Row: "series@num", Col: "goarch", Ignore: "kernel,/count,/parallel", Units: []string{"kmem-B"}, Medians: true}
	text := render(t, report(t, loadLabs(t, all), q).Doc(), Markdown)
	for _, want := range []string{
		"| series |     amd64 |     s390x |",
		"|    6.1 | 9.156 MiB | 9.156 MiB |",
		"|   6.12 | 9.156 MiB |         - |",
		"median of 60 trials; the widest 95 % interval is ± 0.01",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// A cell of which trials broke says so.
	broken := labs()["usual"][0]
	broken.change = func(i int, t *results.Trial) {
		if i%3 > 0 {
			t.Broken = "of a test"
		}
	}
	text = render(t, report(t, loadLabs(t, []lab{broken}), q).Doc(), Text)
	if !strings.Contains(text, " MiB (20 of 60)\n") || !strings.Contains(text, "(k of n): k of n trials count") {
		t.Errorf("nothing of broken trials in\n%s", text)
	}
	// control: without the question nobody has such a key
	if got := report(t, loadLabs(t, all), Query{Col: "goarch"}); len(got.Comparisons) == 0 || slices.Contains(got.Comparisons[0].Differs, seriesKey) {
		t.Error("series is among what differs")
	}
}

func TestMixedCellsAreTold(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	q := Query{Col: "goarch", Row: "/count", Units: []string{"kmem-B"}}
	warned := func() string { return fmt.Sprint(report(t, set, q).Comparisons[0].Warnings) }
	if got := warned(); !strings.Contains(got, "cells mix trials that differ in parallel and spawn") {
		t.Error(got)
	}
	q.Ignore = "/parallel,/spawn" // asked for
	if got := warned(); strings.Contains(got, "mix") {
		t.Error(got)
	}
}

// What the filter leaves keeps its controls, and loses nothing else than asked.
func TestFilterKeepsControls(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	r := report(t, set, Query{Filter: "/count:1000 /spawn:exec .unit:(kmem-B/1000zombies OR sunreclaim-B/1000zombies)"})
	if len(r.Summaries) != 2 {
		t.Fatalf("%d summaries", len(r.Summaries))
	}
	for _, s := range r.Summaries {
		e, _ := s.Estimate(results.UnitSUnreclaim)
		if s.Trials != 20 || s.Controls != 10 || e.Controls != 10 || e.Floor <= 0 || len(s.Instruments) != 2 {
			t.Errorf("%+v", s)
		}
	}
	// control: the other way of spawning, and its controls, are gone
	for _, rec := range r.records {
		if rec.Param("spawn") != "exec" {
			t.Errorf("%+v", rec)
		}
	}
}
