package results

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"
)

// A Comparison is what one instrument said under several conditions, side by
// side: the same numbers as benchstat's, cell by cell.
type Comparison struct {
	Unit   string  // as Table.Units: tidied, and over as many zombies as the report speaks of
	Better int     // by the unit's metadata: +1 higher, -1 lower, 0 not said
	Of     []Param // what these trials are of, where there are other tables
	Rows   []ComparedRow
	Cols   []string // the first is what the others are compared with
	Keys   []string // what names a row
	// Differs lists what else differs between the columns.
	Differs               []string
	Trials, Broken, Noisy int // trials that count; left out; among the first, flagged
	Warnings              []error
	colParams             [][]Param // of each column
}

// A ComparedRow has a cell for each column, nil where nothing was measured.
type ComparedRow struct {
	Key   []string // as Comparison.Keys
	Cells []*ComparedCell
}

// A ComparedCell is a cell, and how it differs from the first of its row.
type ComparedCell struct {
	Cell
	Broken int     // trials of it that broke and do not count
	Change *Change // nil for the first, and without one
}

// A Change is the test of whether two samples come from one distribution.
type Change struct {
	benchmath.Comparison
	// Ratio is new median over old, NaN or infinite if the old one is zero.
	Ratio float64
	text  string
}

// Significant tells whether the samples differ by more than chance would have
// it.
func (c Change) Significant() bool { return c.P <= c.Alpha }

// Percent is the change as benchstat writes it: ~ if it is not significant.
func (c Change) Percent() string { return c.text }

// mixed is what one cell is computed from, and what it mixes.
type mixed struct {
	trials []Record
	broken int
	groups map[*group]bool
	rest   map[benchproc.Key]bool
}

type cellKey struct{ table, row, col benchproc.Key }

// compare puts the trials of s, which is filtered, side by side.
func (s *Set) compare(q Query, grouping grouping) ([]Comparison, error) {
	p, cells, err := s.cells(q, grouping)
	if err != nil {
		return nil, err
	}
	if q.Table == "" {
		// No cell may mix configurations unless it was asked for.
		var keys []string
		for _, c := range cells {
			for _, f := range benchproc.NonSingularFields(sortedKeys(c.rest)) {
				if f.Name != ".fullname" && !slices.Contains(keys, f.Name) {
					keys = append(keys, f.Name)
				}
			}
		}
		for i, key := range keys {
			if !isPlainKey(key) {
				keys[i] = strconv.Quote(key)
			}
		}
		if len(keys) > 0 {
			q.Table = strings.Join(keys, ",")
			if p, cells, err = s.cells(q, grouping); err != nil {
				return nil, err
			}
		}
	}

	tables := make(map[benchproc.Key]bool)
	for k := range cells {
		tables[k.table] = true
	}
	tableKeys := sortedKeys(tables)
	telling := benchproc.NonSingularFields(tableKeys)
	var all []Comparison
	for _, table := range tableKeys {
		rows, cols := make(map[benchproc.Key]bool), make(map[benchproc.Key]bool)
		var units []string
		of := make(map[cellKey]*mixed)
		for k, c := range cells {
			if k.table == table {
				rows[k.row], cols[k.col], of[k] = true, true, c
			}
		}
		rowKeys, colKeys := sortedKeys(rows), sortedKeys(cols)
		base := Comparison{}
		for _, f := range telling {
			base.Of = append(base.Of, Param{labelKey(f), table.Get(f)})
		}
		for _, f := range p.row.FlattenedFields() {
			base.Keys = append(base.Keys, labelKey(f))
		}
		rest := make(map[benchproc.Key]bool)
		names := make(map[string]bool)
		for _, row := range rowKeys {
			for _, col := range colKeys {
				c := of[cellKey{table, row, col}]
				if c == nil {
					continue
				}
				base.Trials += len(c.trials)
				for _, unit := range unitsOf(c.trials) {
					if !slices.Contains(units, unit) {
						units = append(units, unit)
					}
				}
				base.Broken += c.broken
				for _, t := range c.trials {
					if len(t.Warnings) > 0 {
						base.Noisy++
					}
				}
				maps.Copy(rest, c.rest)
				for _, key := range varyingIn(c.rest) {
					names[key] = true
				}
			}
		}
		for _, f := range benchproc.NonSingularFields(sortedKeys(rest)) {
			if f.Name != ".fullname" {
				base.Differs = append(base.Differs, f.Name)
			}
		}
		if len(names) > 0 {
			base.Warnings = append(base.Warnings, fmt.Errorf("cells mix trials that differ in %s", list(slices.Sorted(maps.Keys(names)))))
		}
		for _, unit := range units {
			if q.wanted(unit) {
				c := base
				c.Warnings = slices.Clone(base.Warnings)
				c.fill(s, q, unit, table, rowKeys, colKeys, of)
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// cells sorts the armies into cells.
func (s *Set) cells(q Query, grouping grouping) (projections, map[cellKey]*mixed, error) {
	everything, err := benchproc.NewFilter("*")
	if err != nil {
		return projections{}, nil, err
	}
	p, err := s.projections(q, everything)
	if err != nil {
		return projections{}, nil, err
	}
	cells := make(map[cellKey]*mixed)
	// Broken trials come last, because benchstat, which does not see them, orders
	// by what it sees first.
	var order, broken []int
	for i, rec := range s.Records {
		switch {
		case rec.Control:
		case rec.Broken != "":
			broken = append(broken, i)
		default:
			order = append(order, i)
		}
	}
	type place struct {
		cell *mixed
		rest benchproc.Key
	}
	places := make(map[origin]place)
	for _, i := range append(order, broken...) {
		rec := s.Records[i]
		from := rec.origin()
		to, ok := places[from]
		if !ok {
			res := q.view(rec)
			at := cellKey{p.table.Project(res), p.row.Project(res), p.col.Project(res)}
			if cells[at] == nil {
				cells[at] = &mixed{groups: make(map[*group]bool), rest: make(map[benchproc.Key]bool)}
			}
			to = place{cells[at], p.rest.Project(res)}
			places[from] = to
		}
		c := to.cell
		if rec.Broken != "" {
			c.broken++
			continue
		}
		c.trials = append(c.trials, rec)
		c.groups[grouping.of[i]] = true
		c.rest[to.rest] = true
	}
	return p, cells, nil
}

// fill computes the cells of one unit.
func (c *Comparison) fill(s *Set, q Query, unit string, table benchproc.Key, rows, cols []benchproc.Key, of map[cellKey]*mixed) {
	_, tidy := benchunit.Tidy(1, unit)
	c.Unit, _ = q.scale(tidy)
	c.Better = s.Units.GetBetter(tidy)
	assumption := s.Units.GetAssumption(tidy)

	// A column or row that has nothing in this unit is no part of its table.
	cells := make([][]*ComparedCell, len(rows))
	samples := make([][]*benchmath.Sample, len(rows))
	some := make([]bool, len(cols))
	for i, row := range rows {
		cells[i], samples[i] = make([]*ComparedCell, len(cols)), make([]*benchmath.Sample, len(cols))
		for j, col := range cols {
			m := of[cellKey{table, row, col}]
			if m == nil {
				continue
			}
			var controls []Record
			for g := range m.groups {
				controls = append(controls, counting(g.controls)...)
			}
			cell, sample := q.newCell(unit, m.trials, controls, assumption)
			if cell.N > 0 {
				cells[i][j], samples[i][j], some[j] = &ComparedCell{Cell: cell, Broken: m.broken}, sample, true
			}
		}
	}
	first := slices.Index(some, true)
	for j, col := range cols {
		if some[j] {
			var names []string
			var params []Param
			for _, f := range col.Projection().FlattenedFields() {
				names = append(names, cmp.Or(col.Get(f), "none"))
				params = append(params, Param{labelKey(f), col.Get(f)})
			}
			c.Cols = append(c.Cols, strings.Join(names, " "))
			c.colParams = append(c.colParams, params)
		}
	}
	warned := make(map[string]bool)
	for _, w := range c.Warnings {
		warned[w.Error()] = true
	}
	warn := func(all []error) {
		for _, w := range all {
			if !warned[w.Error()] {
				warned[w.Error()] = true
				c.Warnings = append(c.Warnings, w)
			}
		}
	}
	for i, row := range rows {
		r := ComparedRow{}
		for _, f := range row.Projection().FlattenedFields() {
			r.Key = append(r.Key, row.Get(f))
		}
		empty := true
		for j := range cols {
			cell := cells[i][j]
			if some[j] {
				r.Cells = append(r.Cells, cell)
			}
			if cell == nil {
				continue
			}
			empty = false
			warn(cell.Warnings)
			if base := cells[i][first]; base != nil && j > first {
				// Before scaling: ties may not come and go with it.
				change := assumption.Compare(samples[i][first], samples[i][j])
				cell.Change = &Change{
					Comparison: change,
					Ratio:      cell.Center / base.Center,
					text:       change.FormatDelta(base.Center, cell.Center),
				}
				warn(change.Warnings)
			}
		}
		if !empty {
			c.Rows = append(c.Rows, r)
		}
	}
}

// varyingIn lists the keys of names in which what a cell holds differs.
func varyingIn(rest map[benchproc.Key]bool) []string {
	var names []string
	for key := range rest {
		for _, f := range key.Projection().FlattenedFields() {
			if f.Name == ".fullname" {
				names = append(names, key.Get(f))
			}
		}
	}
	return varyingNameKeys(names)
}

func sortedKeys[T any](m map[benchproc.Key]T) []benchproc.Key {
	keys := slices.Collect(maps.Keys(m))
	benchproc.SortKeys(keys)
	return keys
}

// params says of a cell what its table, row and column are of.
func (c Comparison) params(i, j int) []Param {
	return append(c.rowParams(i), c.colParams[j]...)
}

// rowParams says what table and row are of.
func (c Comparison) rowParams(i int) []Param {
	params := slices.Clone(c.Of)
	for k, key := range c.Keys {
		if i < len(c.Rows) {
			params = append(params, Param{key, c.Rows[i].Key[k]})
		}
	}
	return params
}
