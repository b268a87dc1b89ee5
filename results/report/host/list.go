package host

import (
	"fmt"
	"slices"
	"strings"

	"zombench/bench"
	"zombench/results"
	"zombench/results/report"
)

// List lists the benchmarks of experiments, and whether they can be run on a host.
func List(host *bench.Host, all []bench.Experiment) report.Doc {
	doc := report.Doc{Title: "Experiments"}
	var reasons []string // why some cannot be run here
	for _, e := range all {
		section := report.Section{Heading: e.Name + ": " + e.Asks}
		setups, err := e.Setups()
		if err != nil {
			section.Notes = append(section.Notes, "zombench run "+e.Name+" needs --"+err.Error())
			doc.Sections = append(doc.Sections, section)
			continue
		}
		table := report.Table{Columns: []report.Column{
			{Name: "benchmark", Left: true}, {Name: "samples"}, {Name: "measures", Left: true},
			{Name: "needs", Left: true}, {Name: "here", Left: true}}}
		for _, s := range bySize(setups) {
			here, about := "yes", s.About
			if err := host.Lacks(s); err != nil {
				i := slices.Index(reasons, err.Error())
				if i < 0 {
					i = len(reasons)
					reasons = append(reasons, err.Error())
				}
				here = fmt.Sprintf("no [%d]", i+1)
			}
			if s.Control {
				about = "control: " + about
			}
			table.Row(s.Name(), e.Samples*max(s.Times, 1), about, needs(s), here)
		}
		section.Tables = append(section.Tables, table)
		doc.Sections = append(doc.Sections, section)
	}
	doc.Notes = append(doc.Notes, "samples: trials of each, unless --samples says otherwise; control: the same without what the others measure; here: whether this user can run it on this machine")
	for i, reason := range reasons {
		doc.Notes = append(doc.Notes, fmt.Sprintf("[%d] %s", i+1, reason))
	}
	return doc
}

// needs names what a benchmark cannot run without.
func needs(s bench.Setup) string {
	var names []string
	for _, n := range s.Needs {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

// bySize puts together the benchmarks that differ by their count alone: the one
// that stands for them has a list of counts.
func bySize(setups []bench.Setup) []bench.Setup {
	var all []bench.Setup
	at := make(map[string]int)
	for _, s := range setups {
		i := slices.IndexFunc(s.Params, func(p results.Param) bool { return p.Key == "count" })
		if i < 0 {
			all = append(all, s)
			continue
		}
		count := s.Params[i].Value
		s.Params = slices.Clone(s.Params)
		s.Params[i].Value = ""
		key := fmt.Sprint(s.Name(), s.About, s.Control, needs(s))
		if first, ok := at[key]; ok {
			all[first].Params[i].Value += "," + count
			continue
		}
		s.Params[i].Value = count
		at[key] = len(all)
		all = append(all, s)
	}
	return all
}
