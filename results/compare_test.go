package results

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// theirCells runs benchstat and gives its cells, by table, row and column, each
// as center, interval, change and p. keys are those that tell tables apart.
func theirCells(t *testing.T, keys []string, args ...string) map[string]string {
	t.Helper()
	out, _ := benchstatSays(t, append([]string{"-format", "csv"}, args...)...)
	// Older files have a unit that our reader renames.
	r := csv.NewReader(strings.NewReader(strings.ReplaceAll(out, "foretold-B", "predicted-B")))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	cells := make(map[string]string)
	config := make(map[string]string) // benchstat says only what changed
	unit := ""
	var header [][]string // a line for each key of the columns
	var starts []int      // of columns
	for _, line := range lines {
		key, value, isConfig := strings.Cut(line[0], ": ")
		switch {
		case len(line) == 1 && isConfig && !strings.Contains(key, "/"):
			config[key], header = value, nil
		case slices.Contains(line, "CI"):
			unit, starts = line[1], nil
			for i, f := range line {
				if f == unit {
					starts = append(starts, i)
				}
			}
		case line[0] == "" && len(line) > 1:
			header = append(header, line)
		case line[0] == "geomean" || line[0] == "":
			if line[0] == "geomean" {
				header = nil
			}
		default:
			for j, start := range starts {
				end := len(line)
				if j+1 < len(starts) {
					end = min(end, starts[j+1])
				}
				if start >= end || line[start] == "" {
					continue
				}
				var of, col []string
				for _, h := range header {
					col = append(col, h[start])
				}
				for _, k := range keys {
					of = append(of, k+"="+config[k])
				}
				at := fmt.Sprintf("%s %v row %s col %s", unit, of, line[0], strings.Join(col, " "))
				cells[at] = strings.TrimSpace(strings.Join(line[start:end], " "))
			}
		}
	}
	return cells
}

// ourCells gives the same of a report, from the numbers that every format has.
func ourCells(r Report) (cells map[string]string, keys []string) {
	cells = make(map[string]string)
	for _, c := range r.Comparisons {
		keys = nil
		var of []string
		for _, p := range c.Of {
			keys = append(keys, p.Key)
			of = append(of, p.Key+"="+p.Value)
		}
		for _, row := range c.Rows {
			for j, cell := range row.Cells {
				if cell == nil {
					continue
				}
				text := fmt.Sprint(cell.Center) + " " + cell.PctRangeString()
				if cell.Change != nil {
					text += " " + cell.Change.Percent() + " " + cell.Change.Comparison.String()
				}
				col := c.Cols[j]
				if col == "none" {
					col = ""
				}
				cells[fmt.Sprintf("%s %v row %s col %s", c.Unit, of, strings.Join(row.Key, " "), col)] = text
			}
		}
	}
	return cells, keys
}

// benchFiles are the recorded runs if there are any, and synthetic ones.
func benchFiles(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	recorded, err := filepath.Glob("recorded/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(recorded) > 0 {
		all["recorded"] = recorded
	}
	dir := t.TempDir()
	for name, labs := range map[string][]lab{"synthetic": labs()["two"], "flags": labs()["flags"], "few": labs()["few"], "unlike": {unlike()}} {
		for i, l := range labs {
			path := filepath.Join(dir, fmt.Sprintf("%s%d.txt", name, i))
			if err := os.WriteFile(path, l.file(t), 0o666); err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], path)
		}
	}
	return all
}

// unlike has samples of different sizes, some that overlap, and others that do
// not.
func unlike() lab {
	l := labs()["usual"][0]
	l.samples, l.change = 12, func(i int, t *Trial) {
		if i%7 == 0 {
			t.Broken = "left out"
		}
		for j := range t.Values {
			if t.Param("parallel") == "50" && t.Values[j].Unit == UnitSUnreclaim {
				t.Values[j].Value *= 1.001
			}
		}
	}
	return l
}

// A comparison must say what benchstat says: medians, intervals, changes and
// p-values, cell by cell.
func TestComparisonEqualsBenchstat(t *testing.T) {
	for name, files := range benchFiles(t) {
		set, errs := Load(files...)
		if errs != nil {
			t.Fatal(errs)
		}
		for _, q := range []Query{
			{Col: ".file"},
			{Col: "kernel", Ignore: "cpu,cgroup,page-size,vm,goarch"},
			{Col: "/parallel", Row: "/count", Ignore: "/spawn"},
			{Col: "kernel,/spawn", Row: "goarch,/count,/parallel", Filter: "-/count:500", Ignore: "cpu,cgroup,page-size,vm"},
			{Col: "/count@(2000 1000)", Filter: ".unit:(kmem-B/1000zombies OR sec/zombie OR pids/zombie)"},
		} {
			t.Run(fmt.Sprintf("%s/%+v", name, q), func(t *testing.T) {
				q.Table = ".config"
				if q.Row == "" {
					q.Row = ".fullname"
				}
				args := []string{"-table", q.Table, "-row", q.Row, "-col", q.Col}
				if q.Ignore != "" {
					args = append(args, "-ignore", q.Ignore)
				}
				if q.Filter != "" {
					args = append(args, "-filter", q.Filter)
				}
				ours, keys := ourCells(report(t, set, q))
				theirs := theirCells(t, keys, append(args, files...)...)
				if len(theirs) < 4 {
					t.Errorf("benchstat shows %d cells only", len(theirs))
				}
				if diff := cmp.Diff(theirs, ours); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// The control: what differs is told apart.
func TestTheirCellsDiffer(t *testing.T) {
	l := labs()["usual"][0]
	dir := t.TempDir()
	path := func(name string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, l.file(t), 0o666); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := path("a")
	set, errs := Load(a)
	if errs != nil {
		t.Fatal(errs)
	}
	ours, _ := ourCells(report(t, set, Query{Col: "/parallel", Row: "/count", Ignore: "/spawn"}))
	l.kmem++
	theirs := theirCells(t, nil, "-col", "/parallel", "-row", "/count", "-ignore", "/spawn", path("b"))
	differ := 0
	for at := range theirs {
		if ours[at] != theirs[at] {
			differ++
		}
	}
	if differ != 6 || !maps.EqualFunc(ours, theirs, func(a, b string) bool { return true }) {
		t.Errorf("a byte more, and %d of %d cells differ, want those of one unit, 6", differ, len(theirs))
	}
}

func TestQuery(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	for _, tt := range []struct {
		q    Query
		want string // of the first comparison: unit, columns, keys, rows, what differs
	}{
		{Query{Col: "kernel", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [6.18.44 6.1.0] [count parallel spawn] 12 [goarch cpu page-size cgroup vm] []"},
		// rows that would mix two configurations: a table for each
		{Query{Col: "parallel", Row: "count", Filter: "spawn:exec", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [1 50] [count] 3 [] [kernel=6.18.44 goarch=amd64 cpu=Some CPU @ 2.00GHz page-size=4096 cgroup=v1 vm=]"},
		{Query{Col: "spawn", Row: "count,parallel", Units: []string{"sec"}, Filter: "kernel:6.18.44"}, "sec/zombie [exec os-exec] [count parallel] 6 [] []"},
		{Query{Row: "count", Col: "goarch", Units: []string{"sunreclaim-B/1000zombies"}, Per: 1, Filter: `-spawn:os-exec -count:"500"`}, "sunreclaim-B/zombie [amd64 arm64] [count] 2 [kernel cpu page-size cgroup vm] []"},
		{Query{Col: "parallel@(50 1)", Row: "spawn", Filter: "kernel:6.18.44 count:(500 OR 1000)", Units: []string{"kmem-B"}}, "kmem-B/1000zombies [50 1] [spawn] 2 [] []"},
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
		{Query{Filter: "count:"}, "filter: syntax error"},
		{Query{Filter: "count:7"}, "filter: nothing of what was read matches count:7"},
		{Query{Col: "kernel@("}, "col: syntax error"},
		{Query{Row: "kernel@foo"}, `row: syntax error: unknown order "foo"`},
		{Query{Units: []string{"kg"}}, "unit: nothing was measured in kg; there are kmem-B/1000zombies,"},
		{Query{Per: -1}, "per: "},
	} {
		_, err := set.Report(tt.q)
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
		if got := seriesOf(release); got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
	var all []lab
	for _, of := range [][2]string{{"6.12.107+deb13-amd64", "amd64"}, {"6.1.0-50-amd64", "amd64"}, {"6.1.0-50-s390x", "s390x"}} {
		l := labs()["usual"][0]
		l.config = []Param{{"kernel", of[0]}, {"goos", "linux"}, {"goarch", of[1]}}
		all = append(all, l)
	}
	q := Query{Row: "series@num", Col: "goarch", Ignore: "kernel,count,parallel", Units: []string{"kmem-B"}, Medians: true}
	var b strings.Builder
	if err := report(t, loadLabs(t, all), q).Write(&b, Markdown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| series |     amd64 |     s390x |",
		"|    6.1 | 9.156 MiB | 9.156 MiB |",
		"|   6.12 | 9.156 MiB |         - |",
		"median of 60 trials; the widest 95 % interval is ± 0.01",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	// A cell of which trials broke says so.
	broken := labs()["usual"][0]
	broken.change = func(i int, t *Trial) {
		if i%3 > 0 {
			t.Broken = "of a test"
		}
	}
	b.Reset()
	if err := report(t, loadLabs(t, []lab{broken}), q).Write(&b, Text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), " MiB (20 of 60)\n") || !strings.Contains(b.String(), "(k of n): of n trials k count") {
		t.Errorf("nothing of broken trials in\n%s", b.String())
	}
	// control: without the question nobody has such a key
	if got := report(t, loadLabs(t, all), Query{Col: "goarch"}); len(got.Comparisons) == 0 || slices.Contains(got.Comparisons[0].Differs, seriesKey) {
		t.Error("series is among what differs")
	}
}

func TestMixedCellsAreTold(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	q := Query{Col: "goarch", Row: "count", Units: []string{"kmem-B"}}
	warned := func() string { return fmt.Sprint(report(t, set, q).Comparisons[0].Warnings) }
	if got := warned(); !strings.Contains(got, "cells mix trials that differ in parallel and spawn") {
		t.Error(got)
	}
	q.Ignore = "parallel,spawn" // asked for
	if got := warned(); strings.Contains(got, "mix") {
		t.Error(got)
	}
}

func TestSlash(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	for expr, want := range map[string]string{
		"count":                          "/count@num",
		"/count,parallel":                "/count,/parallel@num", // as benchstat has it
		"count@(1000 500), kernel":       "/count@(1000 500), kernel",
		`kernel@(count "count"),spawn`:   `kernel@(count "count"),/spawn@num`,
		`"count" parallel@alpha .config`: `"count" /parallel@alpha .config`,
		"goarch@count":                   "goarch@count",
	} {
		if got := set.slashProjection(expr); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
	for expr, want := range map[string]string{
		"count:1000":                                  "/count:1000",
		"-count:(500 OR count) kernel:count":          "-/count:(500 OR count) kernel:count",
		`(spawn:"count:x" OR kernel:/count:[0-9]/) *`: `(/spawn:"count:x" OR kernel:/count:[0-9]/) *`,
		`.unit:kmem-B/1000zombies AND /count:5`:       `.unit:kmem-B/1000zombies AND /count:5`,
		`kernel:(/a)count:/ OR "b)") count:1`:         `kernel:(/a)count:/ OR "b)") /count:1`,
	} {
		if got := set.slashFilter(expr); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}

// What the filter leaves keeps its controls, and loses nothing else than asked.
func TestFilterKeepsControls(t *testing.T) {
	set := loadLabs(t, labs()["two"])
	r := report(t, set, Query{Filter: "count:1000 spawn:exec .unit:(kmem-B/1000zombies OR sunreclaim-B/1000zombies)"})
	if len(r.Summaries) != 2 {
		t.Fatalf("%d summaries", len(r.Summaries))
	}
	for _, s := range r.Summaries {
		e, _ := s.Estimate(UnitSUnreclaim)
		if s.Trials != 20 || s.Controls != 10 || e.Controls != 10 || e.Floor <= 0 || len(s.Estimates) != 2 {
			t.Errorf("%+v", s)
		}
	}
	// control: the other way of spawning, and its controls, are gone
	for _, rec := range r.set.Records {
		if rec.Param("spawn") != "exec" {
			t.Errorf("%+v", rec)
		}
	}
}

func TestPer(t *testing.T) {
	set := loadLabs(t, labs()["usual"])
	usual, one := report(t, set, Query{}), report(t, set, Query{Per: 1})
	for i, row := range usual.Table.Rows {
		a, b := row.Cells[UnitKmem], one.Table.Rows[i].Cells["kmem-B/zombie"]
		if a.Center != b.Center*1000 || a.Lo != b.Lo*1000 || a.PctRangeString() != b.PctRangeString() || a.Center == 0 {
			t.Errorf("%+v %+v", a, b)
		}
		if a, b := row.Cells["sec/zombie"], one.Table.Rows[i].Cells["sec/zombie"]; a.Center != b.Center || a.N != 10 {
			t.Errorf("%+v %+v", a, b)
		}
	}
	for per, want := range map[int]string{
		0:       "1000 zombies hold 9.9 MiB of kernel slab on Linux 6.18.44/amd64, 9.2 MiB charged to their cgroup;",
		1:       "1 zombie holds 10.2 KiB of kernel slab on Linux 6.18.44/amd64, 9.4 KiB charged to its cgroup;",
		1000000: "1000000 zombies hold 9.7 GiB of kernel slab on Linux 6.18.44/amd64, 8.9 GiB charged to their cgroup;",
	} {
		if got := report(t, set, Query{Per: per}).Summaries[0].Sentence(); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %s", per, got)
		}
	}
}

// The sentence claims kernel slab only where it can be: what was charged lies in
// slabs.
func TestHiddenSlab(t *testing.T) {
	hidden := loadLabs(t, labs()["hidden"]).Summaries()[0]
	text := hidden.Sentence() + strings.Join(hidden.Facts(), "\n")
	for _, want := range []string{"hold at least 9.2 MiB of kernel memory", "grew by 3011 B a zombie, less than the 9602 B charged", "--count 4000,8000,16000", "quiet machine"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(hidden.Sentence(), "of kernel slab") {
		t.Error(hidden.Sentence())
	}
	// control
	usual := loadLabs(t, labs()["usual"]).Summaries()[0]
	if text := usual.Sentence() + strings.Join(usual.Facts(), "\n"); strings.Contains(text, "at least") || strings.Contains(text, "quiet") {
		t.Error(text)
	}
}

// BenchmarkManyFiles reports 1000 files with 100 000 trials: nine kernels, or a
// single one, whose slopes are over all of them. What counts is the time, and
// the memory that the process takes meanwhile, whole-B.
func BenchmarkManyFiles(b *testing.B) {
	for _, kernels := range []int{9, 1} {
		for _, q := range []Query{{}, {Col: "kernel"}} {
			b.Run(fmt.Sprintf("kernels=%d/compares=%v", kernels, q.compares()), func(b *testing.B) {
				var files []string
				dir := b.TempDir()
				l := labs()["usual"][0]
				l.samples, l.counts, l.parallel = 10, []int{500, 1000, 2000, 4000, 8000}, []int{1, 50}
				for i := range 1000 {
					l.config = append([]Param{{"kernel", fmt.Sprintf("6.%d.0", i%kernels)}}, l.config[1:]...)
					path := filepath.Join(dir, fmt.Sprint(i))
					if err := os.WriteFile(path, l.file(b), 0o666); err != nil {
						b.Fatal(err)
					}
					files = append(files, path)
				}
				for b.Loop() {
					set, errs := Load(files...)
					if errs != nil {
						b.Fatal(errs)
					}
					if n := len(set.Records); n < 100_000 {
						b.Fatalf("%d trials", n)
					}
					if err := report(b, set, q).Write(io.Discard, Text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
