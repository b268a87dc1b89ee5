package report

import (
	"fmt"
	"strings"
	"testing"

	"zombench/results"
	"zombench/results/figure"
)

// releasesOf makes the runs of kernels, each with what is charged for a zombie.
func releasesOf(t *testing.T, arch string, charged ...int) *results.Set {
	t.Helper()
	var b strings.Builder
	for i, bytes := range charged {
		fmt.Fprintf(&b, "kernel: 6.%d.0-1-%s\ngoos: linux\ngoarch: %[2]s\n\n", 2*i+1, arch)
		for _, count := range []int{500, 1000, 2000} {
			for sample := range 2 {
				fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=1/spawn=clone %[1]d %d kmem-B/1000zombies %d sunreclaim-B/1000zombies 1 pids/zombie\n",
					count, 1000*(bytes+sample), 1000*(bytes+2000))
			}
		}
	}
	set, errs := results.Read(strings.NewReader(b.String()), "releases")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return set
}

func TestTimeline(t *testing.T) {
	for _, tt := range []struct {
		charged []int
		changes string
	}{
		{[]int{9600, 9600, 9660, 9660, 9660}, "[2]"},
		{[]int{9600, 9600, 9601, 9600}, "[]"},
		{[]int{9600, 9700, 9600}, "[1 2]"},
	} {
		r := report(t, releasesOf(t, "amd64", tt.charged...), Query{})
		if got := fmt.Sprint(r.lines()[0].changes()); got != tt.changes {
			t.Errorf("%v: changes at %s, want %s", tt.charged, got, tt.changes)
		}
		texts := drawSVG(t, r, figure.NameTimeline)
		for _, want := range []string{"What one zombie holds by release, amd64", " charged", " slab pages", " the charge changes", "6.1.0-1", "6.5.0-1"} {
			if !contains(texts, want) {
				t.Errorf("no %q among %q", want, texts)
			}
		}
	}
	if f := report(t, releasesOf(t, "amd64", 9600, 9700), Query{}).Doc().Figures(figure.NameTimeline); len(f) > 0 {
		t.Error("two releases make a time line")
	}
}

// Each architecture has a table, and of many a picture; files without readings have
// no ledgers, and that shows.
func TestKernels(t *testing.T) {
	set := releasesOf(t, "amd64", 9600, 9600, 9660, 9660, 9660, 9660, 9660, 9660, 9660)
	other := releasesOf(t, "riscv64", 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000)
	set.Records = append(set.Records, other.Records...)
	d, err := Kernels(set)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := d.Write(&b, Markdown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**amd64**", "**riscv64**", "| 6.5.0-1-amd64 ", "|           - |", "|    9661 |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %s", want, b.String())
		}
	}
	if n := len(d.Figures(figure.NameBars)); n != 2 {
		t.Errorf("%d pictures of 2 architectures", n)
	}
}
