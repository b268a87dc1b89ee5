package host

import (
	"fmt"
	"strings"

	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/results/report"
)

// Kernels lists kernels that this host can boot.
func Kernels(listed []debian.Offer) report.Doc {
	d := report.Doc{Title: "Kernels", Facts: []string{report.Plural(len(listed), "kernel")}}
	if len(listed) == 0 {
		return d
	}
	t := report.Table{Columns: []report.Column{
		{Name: "kernel", Left: true}, {Name: "package", Left: true}, {Name: "version", Left: true},
		{Name: "MB"}, {Name: "suites", Left: true}, {Name: "fetched", Left: true}}}
	for _, k := range listed {
		size, fetched := report.Words(""), ""
		if k.Size > 0 {
			size = report.Number(float64(k.Size)/1e6, fmt.Sprintf("%.0f", float64(k.Size)/1e6))
		}
		if k.Path != "" {
			fetched = "yes"
		}
		t.Row(k.Name, k.Package, k.Version, size, strings.Join(k.Suites, " "), fetched)
	}
	d.Sections = []report.Section{{Tables: []report.Table{t}}}
	return d
}

// A Search is what zombench kernels bisect says.
type Search struct {
	Series        []vm.Kernel
	Unit          string
	Before, After kernels.Look
	Looks         []kernels.Look
	File          func(vm.Kernel) string // that has a kernel's results
}

// Doc says where zombies grew, and what was seen on the way.
func (s Search) Doc() report.Doc {
	name := func(l kernels.Look) string { return s.Series[l.Kernel].Name }
	t := report.Table{Columns: []report.Column{{Name: "kernel", Left: true}, {Name: s.Unit, Unit: "B"}}}
	d := report.Doc{Title: "Where zombies grew"}
	for _, l := range s.Looks {
		cell := report.Number(l.Value, fmt.Sprintf("%.0f", l.Value))
		if l.Err != nil {
			cell = report.Words("failed")
			d.Notes = append(d.Notes, l.Err.Error())
		}
		t.Row(name(l), cell)
	}
	d.Sections = []report.Section{{Tables: []report.Table{t}, Notes: []string{fmt.Sprintf("%s: bytes a zombie; %d of %d kernels", s.Unit, len(s.Looks), len(s.Series))}}}
	for _, step := range kernels.Steps(s.Looks) {
		old, new := step[0], step[1]
		if old.Kernel != s.Before.Kernel || new.Kernel != s.After.Kernel {
			d.Notes = append(d.Notes, fmt.Sprintf("this is not the only step: %+.0f B from %s to %s", new.Value-old.Value, name(old), name(new)))
			continue
		}
		d.Facts = append(d.Facts, fmt.Sprintf("%s %+.0f B a zombie from %s to %s.", s.Unit, new.Value-old.Value, name(old), name(new)))
		if between := new.Kernel - old.Kernel - 1; between > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%d kernels between these could not be measured", between))
		}
		d.Notes = append(d.Notes, fmt.Sprintf("why: zombench explain %s %s", s.File(s.Series[old.Kernel]), s.File(s.Series[new.Kernel])))
	}
	return d
}
