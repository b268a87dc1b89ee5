package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"zombench/results"
	"zombench/results/report"
	"zombench/results/stats"
)

// dressPreface stands before the tables of what zombies keep alive besides
// themselves.
const dressPreface = `# What a zombie keeps alive besides itself

Every file here is a run of ` + "`zombench run dress`" + `, in guests by
` + "`zombench kernels run --experiment dress --maxcpus N`" + `. A trial raises two armies one after
the other, one of which did one thing before it died, and takes the difference. That a
process had files, memory, namespaces of the network or of mounts, a timer or perf events
should cost its zombie nothing, and naked is the trial itself without a difference. This
page is written from the files by ` + "`make recorded`" + `, and a test checks that it is.

`

// dressColumns are the instruments that the page tells of, with what is said of each.
var dressColumns = []struct{ unit, name, meaning string }{
	{"extra-kmem-B/zombie", "charged", "charged to the army's cgroup"},
	{"extra-sunreclaim-B/zombie", "slab", "pages of unreclaimable slab of the whole system"},
	{"extra-percpu-B/zombie", "per-CPU", "pages of Percpu; what fits into those that earlier armies left does not show"},
	{"extra-vmalloc-B/zombie", "vmalloc", "pages of VmallocUsed"},
}

// writeDress writes the page of the runs of dress that are in a directory.
func writeDress(dir string, set *results.Set) error {
	r, err := report.New(set, report.Query{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.Tables, func(t report.BenchTable) bool { return t.Bench == "Dress" })
	if i < 0 {
		return fmt.Errorf("no run of dress in %s", dir)
	}
	byKernel := stats.Together(r.Tables[i].Rows, func(r report.BenchRow) string { return results.Lookup(r.Config, "kernel") })
	slices.SortFunc(byKernel, func(a, b []report.BenchRow) int {
		return results.CompareReleases(results.Lookup(a[0].Config, "kernel"), results.Lookup(b[0].Config, "kernel"))
	})
	var d report.Doc
	for _, rows := range byKernel {
		d.Sections = append(d.Sections, dressSection(rows))
	}
	notes := []string{"bytes a zombie beyond a naked one, and the 95 % interval of the median of n trials; without an interval where n is below 6"}
	for _, c := range dressColumns {
		notes = append(notes, c.name+": "+c.meaning)
	}
	d.Sections = append(d.Sections, report.Section{Notes: notes})
	for _, s := range r.Doc().Sections {
		if s.Heading == "Dress over cpus" {
			s.Figures = nil // a line for each kernel and dress is no picture
			for i := range s.Tables {
				s.Tables[i].Rows = slices.DeleteFunc(s.Tables[i].Rows, noNumbers)
			}
			d.Sections = append(d.Sections, s)
		}
	}
	page := bytes.NewBufferString(dressPreface)
	if err := d.Write(page, report.Markdown); err != nil {
		return err
	}
	return results.WriteFile(filepath.Join(dir, "README.md"), func(w io.Writer) error { _, err := page.WriteTo(w); return err })
}

// dressSection has the table of one kernel: a row for each dress and number of
// possible CPUs, the control last.
func dressSection(rows []report.BenchRow) report.Section {
	dress := func(r report.BenchRow) string { return results.Lookup(r.Config, "dress") }
	cpus := func(r report.BenchRow) int { n, _ := strconv.Atoi(results.Lookup(r.Config, "cpus")); return n }
	last := map[bool]int{true: 1} // the control
	slices.SortStableFunc(rows, func(a, b report.BenchRow) int {
		return cmp.Or(last[a.Control]-last[b.Control], strings.Compare(dress(a), dress(b)), cpus(a)-cpus(b))
	})
	t := report.Table{Columns: []report.Column{{Name: "dress", Left: true}, {Name: "possible CPUs"}, {Name: "n"}}}
	for _, c := range dressColumns {
		t.Columns = append(t.Columns, report.Column{Name: c.name, Unit: "B/zombie"})
	}
	for _, r := range rows {
		cells := []any{dress(r), results.Lookup(r.Config, "cpus"), r.Trials}
		for _, c := range dressColumns {
			cells = append(cells, dressCell(r.Cells, c.unit))
		}
		t.Row(cells...)
	}
	return report.Section{Heading: "Linux " + results.Lookup(rows[0].Config, "kernel"), Tables: []report.Table{t}}
}

// noNumbers reports whether a row says nothing but what it is of.
func noNumbers(row []report.Cell) bool {
	return !slices.ContainsFunc(row, func(c report.Cell) bool { return c.Value != nil })
}

func dressCell(cells map[string]stats.Cell, unit string) report.Cell {
	c, ok := cells[unit]
	switch {
	case !ok:
		return report.Words("-")
	case !stats.Finite(c.Lo, c.Hi):
		return report.Number(c.Center, whole(c.Center))
	}
	return report.Interval(c.Center, c.Lo, c.Hi, fmt.Sprintf("%s (%s to %s)", whole(c.Center), whole(c.Lo), whole(c.Hi)))
}

func whole(v float64) string { return fmt.Sprintf("%.0f", math.Round(v)+0) } // no -0
