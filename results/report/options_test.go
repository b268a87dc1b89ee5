package report

import (
	"fmt"
	"strings"
	"testing"

	"zombench/results"
)

// Runs of one kernel with options are compared to the one without, the dearest
// first; another kernel, without a plain run, is not.
func TestOptions(t *testing.T) {
	var b strings.Builder
	for _, run := range []struct {
		kernel, option, cpu string
		charged             int
	}{
		{"6.1.0", "slab_nomerge", "max", 9600},
		{"6.1.0", "", "max", 9600},
		{"6.1.0", "delayacct", "max", 9680},
		{"6.1.0", "", "small", 8000},
		{"6.12.0", "delayacct", "max", 9999},
	} {
		fmt.Fprintf(&b, "kernel: %s\ngoos: linux\ngoarch: amd64\ncpu: %s\nappend: %s\n\n", run.kernel, run.cpu, run.option)
		for _, count := range []int{500, 1000} {
			for sample := range 6 {
				fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=1/spawn=clone %[1]d %d kmem-B/1000zombies\n", count, 1000*run.charged+sample)
			}
		}
	}
	set, errs := results.Read(strings.NewReader(b.String()), "options")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	sections := report(t, set, Query{}).Options()
	if len(sections) != 1 || !strings.Contains(sections[0].Heading, "Linux 6.1.0/amd64") {
		t.Fatalf("sections %+v, want one, of the kernel that was measured without options", sections)
	}
	var got []string
	for _, row := range sections[0].Tables[0].Rows {
		got = append(got, row[0].Text+" "+row[2].Text)
	}
	if want := "(none) |delayacct +80|slab_nomerge +0|CPU small -1600"; strings.Join(got, "|") != want {
		t.Errorf("rows %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestNoOptions(t *testing.T) {
	if sections := report(t, releasesOf(t, "amd64", 9600, 9700), Query{}).Options(); sections != nil {
		t.Errorf("kernels without options have the sections %+v", sections)
	}
}
