package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

// benchstat runs the real program, which has nothing to complain of.
func benchstat(t *testing.T, args ...string) string {
	t.Helper()
	out, complaints := benchstatSays(t, args...)
	if complaints != "" {
		t.Fatalf("benchstat %v: %s", args, complaints)
	}
	return out
}

// benchstatSays also returns what it has to complain of: in CSV, every doubt.
func benchstatSays(t *testing.T, args ...string) (out, complaints string) {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go on PATH to run benchstat with")
	}
	cmd := exec.Command(goTool, append([]string{"tool", "benchstat"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &stderr)
	}
	return stdout.String(), stderr.String()
}

const footnotes = "⁰¹²³⁴⁵⁶⁷⁸⁹"

func TestBenchstat(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, l lab) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, l.file(t), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	usual := labs()["usual"][0]
	a := file("a", usual)
	out := benchstat(t, a)
	if strings.ContainsAny(out, footnotes) {
		t.Errorf("benchstat has doubts:\n%s", out)
	}
	for _, want := range []string{"kmem-B/1000zombies", "pids/zombie", "sec/zombie", "count=2000/parallel=50/spawn=exec", "9.15"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "kernel:"); n != 1 {
		t.Errorf("%d configurations in\n%s", n, out)
	}
	if strings.Contains(out, "Control") {
		t.Errorf("controls in\n%s", out)
	}

	// control: three samples are too few, and benchstat says so
	few := usual
	few.samples = 3
	if out := benchstat(t, file("few", few)); !strings.ContainsAny(out, footnotes) {
		t.Errorf("no footnote for three samples:\n%s", out)
	}

	arm := labs()["two"][1]
	args := []string{"-col", "kernel", a, file("b", arm)}
	ignore := append([]string{"-ignore", "cpu,cgroup,page-size,vm"}, args...)
	// A comparison has both kernels in one header and a change in every row.
	compared := regexp.MustCompile(`6\.18\.44 .*│ .* 6\.1\.0 `)
	arm.config = append(arm.config[:2:2], append([]results.Param{{Key: "goarch", Value: "amd64"}}, arm.config[3:]...)...)
	args[3] = file("b", arm)
	ignore[len(ignore)-1] = args[3]
	if out := benchstat(t, ignore...); !compared.MatchString(out) || strings.ContainsAny(out, footnotes) || !strings.Contains(out, "p=0.000 n=10") {
		t.Errorf("the kernels are not side by side:\n%s", out)
	}
	// control: without -ignore they are not
	if out := benchstat(t, args...); compared.MatchString(out) {
		t.Errorf("other keys do not matter:\n%s", out)
	}
}

// The table must say what benchstat says, cell by cell.
func TestTableEqualsBenchstat(t *testing.T) {
	l := labs()["usual"][0]
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, l.file(t), 0o666); err != nil {
		t.Fatal(err)
	}
	theirs := make(map[string]string)
	unit := ""
	for line := range strings.Lines(benchstat(t, "-format", "csv", path)) {
		f := strings.Split(strings.TrimSpace(line), ",")
		switch {
		case len(f) == 3 && f[2] == "CI":
			unit = f[1]
		case len(f) == 3 && f[2] != "":
			theirs[unit+" "+f[0]] = f[1] + " " + f[2]
		}
	}
	set, errs := results.Load(path)
	if errs != nil {
		t.Fatal(errs)
	}
	ours := make(map[string]string)
	for _, row := range report(t, set, Query{}).Tables[0].Rows {
		for unit, c := range row.Cells {
			name := fmt.Sprintf("%s Zombies/count=%s/parallel=%s/spawn=%s", unit, results.Lookup(row.Config, "count"), results.Lookup(row.Config, "parallel"), results.Lookup(row.Config, "spawn"))
			ours[name] = fmt.Sprint(c.Center) + " " + c.PctRangeString()
		}
	}
	if len(theirs) != 30 {
		t.Errorf("%d cells from benchstat", len(theirs))
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Error(diff)
	}
}

// theirCells runs benchstat and gives its cells, by table, row and column, each
// as center, interval, change and p. keys are those that tell tables apart.
func theirCells(t *testing.T, keys []string, args ...string) map[string]string {
	t.Helper()
	out, _ := benchstatSays(t, append([]string{"-format", "csv"}, args...)...)
	// Older files have a unit that our reader renames.
	r := csv.NewReader(strings.NewReader(out))
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
func ourCells(r *Report) (cells map[string]string, keys []string) {
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
					text += " " + cell.Change.Percent + " " + cell.Change.Comparison.String()
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
	recorded, err := filepath.Glob("../recorded/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range recorded {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// To benchstat the unit's old name is another unit.
		renamed := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(renamed, bytes.ReplaceAll(text, []byte("foretold-B"), []byte("predicted-B")), 0o666); err != nil {
			t.Fatal(err)
		}
		all["recorded"] = append(all["recorded"], renamed)
	}
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
	l.samples, l.change = 12, func(i int, t *results.Trial) {
		if i%7 == 0 {
			t.Broken = "left out"
		}
		for j := range t.Values {
			if t.Param("parallel") == "50" && t.Values[j].Unit == results.UnitSUnreclaim {
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
		set, errs := results.Load(files...)
		if errs != nil {
			t.Fatal(errs)
		}
		for _, q := range []Query{
			{Col: ".file"},
			{Col: "kernel", Ignore: "cpu,cgroup,page-size,vm,goarch,node,program"},
			{Col: "/parallel", Row: "/count", Ignore: "/spawn"},
			{Col: "kernel,/spawn", Row: "goarch,/count,/parallel", Filter: "-/count:500", Ignore: "cpu,cgroup,page-size,vm,node,program"},
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
	set, errs := results.Load(a)
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
