package report

import (
	"cmp"
	"fmt"
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
	var names []string
	byBench := make(map[string][]*stats.Setup)
	for _, s := range setups {
		bench := s.First.Bench
		if bench == results.Control || bench == results.Zombies && s.First.Control {
			continue
		}
		if byBench[bench] == nil {
			names = append(names, bench)
		}
		byBench[bench] = append(byBench[bench], s)
	}
	var tables []BenchTable
	for _, name := range names {
		t := BenchTable{Bench: name, Rows: benchRows(byBench[name])}
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
	at := make(map[string]int)
	configs := make(map[string]int)
	for _, s := range setups {
		config := stats.KeyOf(s.First.Config)
		if _, ok := configs[config]; !ok {
			configs[config] = len(configs)
		}
		key := fmt.Sprint(s.First.Control, config, stats.KeyOf(s.First.Params))
		i, ok := at[key]
		if !ok {
			i = len(rows)
			at[key] = i
			rows = append(rows, BenchRow{Config: stats.Labels(s), About: s.First.Facts.AboutBench(s.First.Name()), Control: s.First.Control,
				Cells: make(map[string]stats.Cell), order: configs[config], params: s.First.Params})
		}
		rows[i].setups = append(rows[i].setups, s)
	}
	return rows
}

// label chooses the columns that name the rows, and orders the rows by them:
// what tells the systems apart, then how the names differ, sizes last.
func (t *BenchTable) label() {
	var configs, params [][]results.Param
	for _, r := range t.Rows {
		params = append(params, r.Config[len(r.Config)-len(r.params):])
		configs = append(configs, r.Config[:len(r.Config)-len(r.params)])
	}
	t.Labels = stats.Distinguishing(configs)
	varying := stats.Varying(params)
	if len(varying) == 0 && len(params[0]) > 0 {
		varying = []string{params[0][0].Key}
	}
	isSize := func(key string) bool { return key == "count" || key == "parallel" }
	slices.SortStableFunc(varying, func(a, b string) int {
		switch {
		case isSize(a) == isSize(b):
			return 0
		case isSize(a):
			return 1
		}
		return -1
	})
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
	r.Trials, r.Broken = len(trials), len(stats.Broken(r.setups...))
	for _, trial := range trials {
		r.Warned += min(1, len(trial.Warnings))
	}
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
		for _, w := range texts(cell.Warnings) {
			if !slices.Contains(t.Warnings, w) {
				t.Warnings = append(t.Warnings, w)
			}
		}
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
	table := newTable(names, t.Rows, func(r BenchRow) (labels []string) {
		for _, l := range t.labels(r) {
			labels = append(labels, l.Value)
		}
		return append(labels, r.about())
	})
	table.add(Column{Name: "n"}, func(i int) Cell { return whole(uint64(t.Rows[i].Trials)) })
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
	var over []float64
	bases := make(map[float64][]string)
	for _, u := range t.Units {
		if base, per, ok := results.PerZombies(u.Name); ok {
			bases[per] = append(bases[per], base)
			if !slices.Contains(over, per) {
				over = append(over, per)
			}
		}
	}
	slices.SortFunc(over, func(a, b float64) int { return cmp.Compare(b, a) })
	var parts []string
	for _, per := range over {
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
