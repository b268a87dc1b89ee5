package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", "Unit x assume=exact\nBenchmarkZombies/count=5 5 1 x\n")
	set, errs := Load(
		file("empty", ""),
		file("foreign", "BenchmarkFoo 5 1 x\n"),
		file("half", "kernel: 6\n\nBenchmarkZombies/count=5 5 1\nBenchmarkZombies/count=5 5 2 x\n"),
		file("bad", "BenchmarkZombies/count=5 5 1\n"),
		filepath.Join(dir, "none"), dir, good, good,
	)
	var got []string
	for _, err := range errs {
		got = append(got, strings.ReplaceAll(err.Error(), dir, "DIR"))
	}
	want := []string{
		"DIR/empty: no results",
		"DIR/foreign: no results of BenchmarkZombies",
		"DIR/half:3: missing units",
		"DIR/bad:1: missing units",
		"open DIR/none: no such file or directory",
		"read DIR: is a directory",
		"DIR/good: given twice, read once",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(errs[0], ErrNoResults) || !errors.Is(errs[1], ErrNoResults) || !errors.Is(errs[4], os.ErrNotExist) {
		t.Error("errors lost their types")
	}
	if len(set.Records) != 2 {
		t.Errorf("%d records", len(set.Records))
	}
	// The configuration of one file must not leak into the next.
	if c := set.Records[1].Config; len(c) != 0 {
		t.Errorf("configuration of good: %v", c)
	}
	if set.Units.GetAssumption("x").SummaryLabel() != "exact" {
		t.Error("unit metadata is lost")
	}
}

// The estimate must find what the lab put in: 10 400 B a zombie, from which
// 400 kB of used-up slabs are missing whatever the count.
func TestEstimate(t *testing.T) {
	l := labs()["usual"][0]
	slope := loadLabs(t, []lab{l}).Summaries()[0]
	e, _ := slope.Estimate(UnitSUnreclaim)
	if e.OneCount || e.Lo > 10400 || e.Hi < 10400 || e.Hi-e.Lo > 20 || math.Abs(e.Intercept+4e5) > 2e4 || !e.Stands() {
		t.Errorf("%+v", e)
	}
	// control: a single difference does not find it, and says what it is
	l.counts = []int{1000}
	one := loadLabs(t, []lab{l}).Summaries()[0]
	e, _ = one.Estimate(UnitSUnreclaim)
	if !e.OneCount || math.Abs(e.PerZombie-10000) > 20 {
		t.Errorf("%+v", e)
	}
	if text := strings.Join(one.Facts(), "\n"); strings.Count(text, "one count only: not a slope") != 2 || strings.Contains(text, "Theil") {
		t.Error(text)
	}
	if text := strings.Join(slope.Facts(), "\n"); strings.Contains(text, "one count only") || strings.Count(text, "Theil-Sen slope") != 2 {
		t.Error(text)
	}
}

func TestBrokenTrialsDoNotCount(t *testing.T) {
	l := labs()["usual"][0]
	clean := loadLabs(t, []lab{l}).Summaries()[0]
	spoil := func(broken string) Summary {
		l.change = func(i int, trial *Trial) {
			if i%2 == 1 {
				trial.Broken = broken
				trial.Values[0].Value *= 100
				trial.N, trial.Ends.Exited = 2*trial.N, 0
			}
		}
		return loadLabs(t, []lab{l}).Summaries()[0]
	}
	a, _ := clean.Estimate(UnitKmem)
	left := spoil("why")
	b, _ := left.Estimate(UnitKmem)
	if math.Abs(a.PerZombie-b.PerZombie) > 5 || b.Trials != 30 || left.BrokenTrials != 30 || left.Ends.Exited != left.Spawned {
		t.Errorf("%+v %+v", b, left)
	}
	// control: the same trials, not marked
	counted := spoil("")
	if c, _ := counted.Estimate(UnitKmem); math.Abs(a.PerZombie-c.PerZombie) < 5 || c.Trials != 60 || counted.Ends.Exited == counted.Spawned {
		t.Errorf("%+v %+v", c, counted)
	}
}

var numbers = regexp.MustCompile(`[0-9.]+ [KM]?i?B\b`)

func TestBelowTheNoiseFloor(t *testing.T) {
	l := lab{config: config618(), spawn: "exec", counts: []int{500, 1000, 2000}, parallel: []int{1},
		samples: 10, slab: 40, noise: 1e6}
	print := func() string {
		set := loadLabs(t, []lab{l})
		s := set.Summaries()[0]
		var b strings.Builder
		if err := report(t, set, Query{}).Write(&b, Text); err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(b.String(), "count  parallel")
		return s.Sentence() + table
	}
	if text := print(); numbers.MatchString(text) || !strings.Contains(text, "below") {
		t.Errorf("noise looks like a measurement: %s", text)
	}
	l.slab = 1e5 // control
	if text := print(); !numbers.MatchString(text) || strings.Contains(text, "below") {
		t.Errorf("a measurement looks like noise: %s", text)
	}

	for _, tt := range []struct {
		e    Estimate
		want bool
	}{
		{Estimate{Counts: []int{500, 1000}, PerZombie: 10, Lo: 9, Hi: 11, Floor: 9999}, true},
		{Estimate{Counts: []int{500, 1000}, PerZombie: 10, Lo: 9, Hi: 11, Floor: 10000}, false},
		{Estimate{Counts: []int{500, 1000}, PerZombie: 10, Lo: -1, Hi: 11, Floor: 0}, false},
		{Estimate{Counts: []int{500, 1000}, PerZombie: -10, Lo: -11, Hi: -9, Floor: 0}, false},
		{Estimate{Counts: []int{1000}, PerZombie: 10, Lo: math.Inf(-1), Hi: math.Inf(1), Floor: -1}, true},
		{Estimate{Counts: []int{1000}, PerZombie: 0, Floor: -1}, false},
	} {
		if tt.e.Stands() != tt.want {
			t.Errorf("%+v stands: %v", tt.e, !tt.want)
		}
	}
}

func TestSlabUnit(t *testing.T) {
	for _, tt := range []struct {
		spawn, have, want string
	}{
		{"exec", UnitSlab + " " + UnitSUnreclaim, UnitSUnreclaim},
		{"clone", UnitSlab + " " + UnitSUnreclaim, UnitSUnreclaim},
		{"os-exec", UnitSlab + " " + UnitSUnreclaim, UnitSlab},
		{"", UnitSlab + " " + UnitSUnreclaim, UnitSlab},
		{"exec", UnitSlab, UnitSlab},
		{"os-exec", UnitSUnreclaim, UnitSUnreclaim},
		{"exec", UnitKmem, ""},
	} {
		if got := slabUnit(tt.spawn, func(u string) bool { return strings.Contains(tt.have, u) }); got != tt.want {
			t.Errorf("%s with %s: %s", tt.spawn, tt.have, got)
		}
	}
}

func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		s    Summary
		want string
	}{
		{Summary{Trials: 2}, "how the children ended was not recorded"},
		{Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: Ends{true, 0, 500, 0, 0}}, "0 signals sent to children, all exited by themselves"},
		{Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: Ends{true, 1, 499, 1, 0}}, "1 signal sent to children, 1 was killed and 499 of 500 exited by themselves"},
		{Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: Ends{true, 0, 495, 3, 2}}, "0 signals sent to children, 3 were killed, 2 were killed and dumped core and 495 of 500 exited by themselves"},
		{Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: Ends{true, 0, 499, 0, 0}}, "0 signals sent to children, 499 of 500 exited by themselves and 1 was not seen to end"},
		{Summary{Trials: 3, EndsKnown: 2, Spawned: 500, Ends: Ends{true, 0, 500, 0, 0}}, "0 signals sent to children, all exited by themselves (known for 2 of 3 trials)"},
		{Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: Ends{true, 0, 0, 0, 0}}, "0 signals sent to children, no child was seen to end"},
	} {
		if got := tt.s.endsClause(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// An answer from doubtful trials says so itself.
func TestNoisySentence(t *testing.T) {
	l := labs()["usual"][0]
	sentence := func(every int) string {
		l.change = func(i int, t *Trial) {
			if i%every == 0 {
				t.Warnings = []string{"something forked meanwhile"}
			}
		}
		return loadLabs(t, []lab{l}).Summaries()[0].Sentence()
	}
	if s := sentence(1); !strings.HasSuffix(s, "; 60 of 60 trials are flagged as noisy.") {
		t.Error(s)
	}
	if s := sentence(2); strings.Contains(s, "noisy") { // control: half of them
		t.Error(s)
	}
}

func TestWriteReportFails(t *testing.T) {
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	if err := r.Write(writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }), Text); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := r.Write(io.Discard, "bmp"); err == nil {
		t.Error("bmp")
	}
	if _, err := ParseFormat("bmp"); err == nil || !strings.Contains(err.Error(), "want text, markdown, html, csv, json, latex or openmetrics") {
		t.Error(err)
	}
}

// Hostile text stays text: no cell or line more, no HTML, no terminal orders.
func TestHostile(t *testing.T) {
	set := loadLabs(t, labs()["hostile"])
	for _, f := range Formats() {
		var b strings.Builder
		if err := report(t, set, Query{}).Write(&b, f); err != nil {
			t.Fatal(err)
		}
		if f != CSV && strings.Contains(b.String(), "\x1b") || f == Markdown && strings.Contains(b.String(), "<") {
			t.Errorf("%s: %s", f, b.String())
		}
	}
}

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
	arm.config = append(arm.config[:2:2], append([]Param{{"goarch", "amd64"}}, arm.config[3:]...)...)
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
	set, errs := Load(path)
	if errs != nil {
		t.Fatal(errs)
	}
	ours := make(map[string]string)
	for _, row := range set.Table().Rows {
		for unit, c := range row.Cells {
			name := fmt.Sprintf("%s Zombies/count=%s/parallel=%s/spawn=%s", unit, Lookup(row.Config, "count"), Lookup(row.Config, "parallel"), Lookup(row.Config, "spawn"))
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

// Whatever a file holds, a report can be had of it.
func FuzzReport(f *testing.F) {
	for _, all := range labs() {
		f.Add(all[0].file(f))
	}
	f.Add([]byte("key: \xff\nBenchmarkZombies/\"a\\=@(b c)/x/:y=-/(=z 5 1e308 a-B/1000zombies -1e308 MB/zombie\nBenchmarkZombies/count=a 7 -1e308 a-B/1000zombies\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		set, _ := Read(bytes.NewReader(file), "f")
		report := report(t, set, Query{})
		for _, format := range Formats() {
			if err := report.Write(io.Discard, format); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkReport(b *testing.B) {
	l := labs()["usual"][0]
	file := l.file(b)
	for b.Loop() {
		set, _ := Read(bytes.NewReader(file), "f")
		if err := report(b, set, Query{}).Write(io.Discard, Text); err != nil {
			b.Fatal(err)
		}
	}
}
