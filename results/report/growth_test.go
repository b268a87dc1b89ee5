package report

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
	"zombench/results/figure"
)

// growing writes a file of two actors: beside one a fork takes 1000 ns and 2 more
// for each zombie, beside the other it takes the same with any army.
func growing(meta string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel: 1.2.3\n\nUnit fork-ns %s\n# unit fork-ns: what a fork takes\n\n", meta)
	for _, count := range []int{100, 1000, 10_000} {
		for _, noise := range []int{-3, -2, -1, 1, 2, 3} {
			fmt.Fprintf(&b, "BenchmarkDrag/actor=slow/count=%d %[1]d %d fork-ns\n", count, 1000+2*count+noise)
			fmt.Fprintf(&b, "BenchmarkDrag/actor=flat/count=%d %[1]d %d fork-ns\n", count, 1000+noise)
		}
	}
	b.WriteString("# control BenchmarkDrag/actor=slow/count=1 1 999999 fork-ns\n")
	b.WriteString("# broken: test: BenchmarkDrag/actor=slow/count=10000 10000 9999999 fork-ns\n")
	return b.String()
}

func growthReport(t *testing.T, meta string) *Report {
	t.Helper()
	set, errs := results.Read(strings.NewReader(growing(meta)), "test")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return report(t, set, Query{})
}

// What may grow with the army has a slope for each zombie, and a picture.
func TestGrowth(t *testing.T) {
	const meta = "better=lower " + results.Over + "=count"
	r := growthReport(t, meta)
	i := slices.IndexFunc(r.Doc().Sections, func(s Section) bool { return s.Heading == "Drag over count" })
	if i < 0 {
		t.Fatalf("no slopes in %+v", r.Doc().Sections)
	}
	rows := r.Doc().Sections[i].Tables[0].Rows
	if len(rows) != 2 || rows[0][0].Text != "flat" || rows[1][0].Text != "slow" {
		t.Fatalf("rows %+v", rows)
	}
	if c := rows[1][1]; c.Text != "2.0 ns (2.0 to 2.0)" || c.Value == nil || *c.Lo <= 0 {
		t.Errorf("a slope of 2 ns is %q, %+v", c.Text, c)
	}
	if c := rows[0][1]; *c.Lo > 0 || *c.Hi < 0 {
		t.Errorf("no slope is %q", c.Text)
	}
	texts := drawSVG(t, r, figure.NameGrowth)
	for _, want := range []string{"fork-sec against count", "fork-sec (ns)", " slow", " flat", "100", "10000"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q among %q", want, texts)
		}
	}
	if slices.Index(texts, " slow") > slices.Index(texts, " flat") {
		t.Error("what is larger is not first")
	}
}

// The picture of the recorded stalls is drawn from the recorded run.
func TestRecordedStalls(t *testing.T) {
	const dir = "../recorded/drag/"
	set, errs := results.Load(dir + "amd64-6.18.44-fc-v782.txt")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	committed, err := os.ReadFile(dir + "stall.svg")
	if err != nil {
		t.Fatal(err)
	}
	drawn := drawSVG(t, report(t, set, Query{Units: []string{"fork-ns"}}), figure.NameGrowth)
	if diff := cmp.Diff(drawn, svgTexts(t, string(committed))); diff != "" {
		t.Errorf("zombench report --figure growth --unit fork-ns draws another (-drawn +committed):\n%s", diff)
	}
}

// Of what no file says that it may grow there is no slope.
func TestNoGrowth(t *testing.T) {
	for _, s := range growthReport(t, "better=lower").Doc().Sections {
		if strings.Contains(s.Heading, "over") || len(s.Figures) > 0 {
			t.Errorf("section %q, %d figures", s.Heading, len(s.Figures))
		}
	}
}
