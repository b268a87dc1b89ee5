package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"zombench/results"
	"zombench/results/stats"
)

// A BenchTable has a row for every setup of one benchmark, and a column for every
// unit.
type BenchTable struct {
	Bench    string
	Labels   []string        // the columns that name the rows
	Same     []results.Param // of the name, what all rows share
	Units    []BenchUnit
	Rows     []BenchRow
	Warnings []string // of the statistics, that no cell has room for
}

// A BenchUnit is a unit of a BenchTable.
type BenchUnit struct {
	Name    string // tidied to base units (sec for ns), over as many zombies as the report speaks of
	Meaning string // "" if no file says it
}

// A BenchRow is the trials of one name under one configuration.
type BenchRow struct {
	Config                 []results.Param // all that the trials share: configuration, then name
	About                  string          // what is measured, "" if no file says it
	Control                bool
	Trials, Broken, Warned int                   // trials that count; that do not; among the first, flagged
	Cells                  map[string]stats.Cell // by unit
	order                  int                   // of the configuration
	setups                 []*stats.Setup
	params                 []results.Param
}

// benchTables makes the tables of all benchmarks, in the order of the files. The
// controls of Zombies, which have no size, are its noise floor and no rows.
func (q Query) benchTables(setups []*stats.Setup, groupOf map[*stats.Setup]*stats.Group, units benchfmt.UnitMetadataMap) []BenchTable {
	setups = slices.DeleteFunc(slices.Clone(setups), func(s *stats.Setup) bool {
		return s.First.Bench == results.Control || s.First.Bench == results.Zombies && s.First.Control
	})
	var tables []BenchTable
	for _, of := range stats.Together(setups, func(s *stats.Setup) string { return s.First.Bench }) {
		t := BenchTable{Bench: of[0].First.Bench, Rows: benchRows(of)}
		t.label()
		for i := range t.Rows {
			t.fill(q, &t.Rows[i], groupOf, units)
		}
		tables = append(tables, t)
	}
	return tables
}

// benchRows puts together the setups of several files that are alike.
func benchRows(setups []*stats.Setup) []BenchRow {
	var rows []BenchRow
	for order, system := range stats.Together(setups, func(s *stats.Setup) string { return stats.KeyOf(s.First.Config) }) {
		for _, alike := range stats.Together(system, func(s *stats.Setup) string { return fmt.Sprint(s.First.Control, stats.KeyOf(s.First.Params)) }) {
			first := alike[0].First
			rows = append(rows, BenchRow{Config: stats.Labels(alike[0]), About: first.Facts.AboutBench(first.Name()), Control: first.Control,
				Cells: make(map[string]stats.Cell), order: order, setups: alike, params: first.Params})
		}
	}
	return rows
}

// label chooses the columns that name the rows, and orders the rows by them:
// what tells the systems apart, then how the names differ, sizes last.
func (t *BenchTable) label() {
	var params [][]results.Param
	for _, r := range t.Rows {
		params = append(params, r.Config[len(r.Config)-len(r.params):])
	}
	t.Labels = stats.Distinguishing(t.Rows, func(r BenchRow) []results.Param { return r.Config[:len(r.Config)-len(r.params)] })
	varying := stats.Varying(params)
	if len(varying) == 0 && len(params[0]) > 0 {
		varying = []string{params[0][0].Key}
	}
	isSize := func(key string) bool { return key == "count" || key == "parallel" }
	slices.SortStableFunc(varying, func(a, b string) int { return compareBools(isSize(a), isSize(b)) })
	for _, p := range params[0] {
		if !slices.Contains(varying, p.Key) {
			t.Same = append(t.Same, p)
		}
	}
	t.Labels = append(t.Labels, varying...)
	slices.SortStableFunc(t.Rows, func(a, b BenchRow) int {
		return cmp.Or(cmp.Compare(a.order, b.order), compareBools(a.Control, b.Control), stats.CompareLabels(t.labels(a), t.labels(b)))
	})
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// labels are what names a row.
func (t *BenchTable) labels(r BenchRow) []results.Param {
	var labels []results.Param
	for _, key := range t.Labels {
		labels = append(labels, results.Param{Key: key, Value: results.Lookup(r.Config, key)})
	}
	return labels
}

// fill computes the cells of a row.
func (t *BenchTable) fill(q Query, r *BenchRow, groupOf map[*stats.Setup]*stats.Group, units benchfmt.UnitMetadataMap) {
	trials := stats.Trials(r.setups...)
	r.Trials, r.Broken, r.Warned = len(trials), len(stats.Broken(r.setups...)), stats.Warned(trials)
	for _, unit := range stats.Units(trials) {
		if !q.wanted(unit) {
			continue
		}
		_, tidy := benchunit.Tidy(1, unit)
		scaled, factor := q.scale(tidy)
		if !slices.ContainsFunc(t.Units, func(u BenchUnit) bool { return u.Name == scaled }) {
			t.Units = append(t.Units, BenchUnit{scaled, r.setups[0].First.Facts.MeaningOf(unit)})
		}
		cell, _ := stats.NewCell(unit, trials, controlsOf(r.setups, groupOf), units.GetAssumption(tidy))
		r.Cells[scaled] = cell.Times(factor)
		t.Warnings = stats.AddNew(t.Warnings, texts(cell.Warnings)...)
	}
}

// about is what a row measures, and whether it is a control.
func (r BenchRow) about() string {
	switch {
	case !r.Control:
		return r.About
	case r.About == "":
		return "control"
	}
	return "control: " + r.About
}

// section is the table as people read it.
func (t BenchTable) section() Section {
	s := Section{Heading: t.Bench}
	names := append(slices.Clone(t.Labels), "what")
	if !slices.ContainsFunc(t.Rows, func(r BenchRow) bool { return r.about() != t.Rows[0].about() }) {
		names = t.Labels
		if about := t.Rows[0].about(); about != "" {
			s.Facts = []string{about}
		}
	}
	table := newTable(names, t.Rows, func(r BenchRow) []string { return append(values(t.labels(r)), r.about()) })
	table.add(Column{Name: "n"}, func(i int) Cell { return Whole(t.Rows[i].Trials) })
	for _, u := range t.Units {
		var cells []stats.Cell
		for _, r := range t.Rows {
			if c, ok := r.Cells[u.Name]; ok {
				cells = append(cells, c)
			}
		}
		q := quantity(u.Name, cells)
		table.add(Column{Name: heading(u.Name), Unit: u.Name}, func(i int) Cell {
			if c, ok := t.Rows[i].Cells[u.Name]; ok {
				return valueCell(c, q)
			}
			return Words("-")
		})
	}
	if slices.ContainsFunc(t.Rows, func(r BenchRow) bool { return r.Broken+r.Warned > 0 }) {
		table.add(Column{Name: "flags", Left: true}, func(i int) Cell { return Words(flags(t.Rows[i].Broken, t.Rows[i].Warned)) })
	}
	s.Tables = []Table{table}
	s.Notes = append([]string{t.caption()}, t.meanings()...)
	s.Notes = append(s.Notes, t.Warnings...)
	return s
}

// caption says over how many zombies the columns are, and what all rows share.
func (t BenchTable) caption() string {
	bases := make(map[float64][]string)
	for _, u := range t.Units {
		if base, per, ok := results.PerZombies(u.Name); ok {
			bases[per] = append(bases[per], base)
		}
	}
	var parts []string
	for _, per := range slices.Backward(slices.Sorted(maps.Keys(bases))) {
		parts = append(parts, list(bases[per])+" per "+zombies(per))
	}
	parts = append(parts, "median ± 95 % interval of n trials")
	var same []string
	for _, p := range t.Same {
		same = append(same, p.Key+" "+p.Value)
	}
	if len(same) > 0 {
		parts = append(parts, "all with "+strings.Join(same, ", "))
	}
	return strings.Join(parts, "; ")
}

// meanings says what the units mean, a line each.
func (t BenchTable) meanings() []string {
	var notes []string
	for _, u := range t.Units {
		if u.Meaning != "" {
			notes = append(notes, heading(u.Name)+": "+u.Meaning)
		}
	}
	return notes
}
