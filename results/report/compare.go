package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"

	"zombench/results"
	"zombench/results/stats"
)

// A Comparison is what one unit says under several conditions, side by side: the
// same numbers as benchstat's, cell by cell.
type Comparison struct {
	Unit   string          // tidied, and over as many zombies as the report speaks of
	Better int             // by the unit's metadata: +1 higher, -1 lower, 0 not said
	Of     []results.Param // what these trials are of, where there are other tables
	Rows   []ComparedRow
	Cols   []string // the first is what the others are compared with
	Keys   []string // what names a row
	// Differs lists what else differs between the columns.
	Differs                []string
	Trials, Broken, Warned int // trials that count; that do not; among the first, flagged
	Warnings               []string
}

// A ComparedRow has a cell for each column, nil where nothing was measured.
type ComparedRow struct {
	Key   []string // as Comparison.Keys
	Cells []*ComparedCell
}

// A ComparedCell is a cell, and how it differs from the first of its row.
type ComparedCell struct {
	stats.Cell
	Broken int     // trials of it that do not count
	Change *Change // nil for the first, and without one
	sample *benchmath.Sample
}

// A Change is the test of whether two samples come from one distribution.
type Change struct {
	benchmath.Comparison
	// Ratio is new median over old, NaN or infinite if the old one is zero.
	Ratio   float64
	Percent string // as benchstat writes it: ~ if it is not significant
}

// Significant reports whether the samples differ by more than chance would have
// it.
func (c Change) Significant() bool { return c.P <= c.Alpha }

// mixed is what one cell is computed from, and what it mixes.
type mixed struct {
	setups []*stats.Setup
	rest   map[benchproc.Key]bool
}

type cellKey struct{ table, row, col benchproc.Key }

// compare puts the setups side by side; groupOf finds the controls of an army.
func (q Query) compare(setups []*stats.Setup, groupOf map[*stats.Setup]*stats.Group, units benchfmt.UnitMetadataMap) ([]Comparison, error) {
	p, cells, err := q.cells(setups)
	if err != nil {
		return nil, err
	}
	if err := p.unknown(cells, keys(setups)); err != nil {
		return nil, err
	}
	if q.Table == "" {
		// No cell may mix benchmarks or configurations unless it was asked for.
		if q.Table = strings.Join(mixedKeys(p, setups, cells), ","); q.Table != "" {
			if p, cells, err = q.cells(setups); err != nil {
				return nil, err
			}
		}
	}
	tables := make(map[benchproc.Key]bool)
	for k := range cells {
		tables[k.table] = true
	}
	var all []Comparison
	for _, table := range sortedKeys(tables) {
		t := newCompared(table, cells)
		base := Comparison{Differs: t.differs(), Warnings: t.mixes()}
		for _, f := range benchproc.NonSingularFields(sortedKeys(tables)) {
			base.Of = append(base.Of, results.Param{Key: labelKey(f), Value: table.Get(f)})
		}
		for _, f := range p.row.FlattenedFields() {
			base.Keys = append(base.Keys, labelKey(f))
		}
		trials := stats.Trials(t.setups...)
		base.Trials, base.Broken, base.Warned = len(trials), len(stats.Broken(t.setups...)), stats.Warned(trials)
		for _, unit := range stats.Units(trials) {
			if q.wanted(unit) {
				c := base
				c.Warnings = slices.Clone(base.Warnings)
				c.fill(q, unit, t, groupOf, units)
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// cells sorts the setups into cells. Controls are not compared.
func (q Query) cells(setups []*stats.Setup) (projections, map[cellKey]*mixed, error) {
	everything, err := benchproc.NewFilter("*")
	if err != nil {
		return projections{}, nil, err
	}
	p, err := q.projections(setups, everything)
	if err != nil {
		return projections{}, nil, err
	}
	cells := make(map[cellKey]*mixed)
	for _, s := range setups {
		if s.First.Control {
			continue
		}
		res := q.view(s.First)
		at := cellKey{p.table.Project(res), p.row.Project(res), p.col.Project(res)}
		if cells[at] == nil {
			cells[at] = &mixed{rest: make(map[benchproc.Key]bool)}
		}
		c := cells[at]
		c.setups = append(c.setups, s)
		if rest := p.rest.Project(res); len(s.Trials) > 0 {
			c.rest[rest] = true
		}
	}
	return p, cells, nil
}

// Keys lists what a projection over a set may name: .name and .file, keys of the
// configuration, and parameters of benchmarks' names, these with a slash.
func Keys(set *results.Set) []string { return keys(stats.Setups(set.Records)) }

func keys(setups []*stats.Setup) []string {
	all := []string{".name", ".file"}
	for _, s := range setups {
		for _, c := range s.First.Config {
			all = stats.AddNew(all, c.Key)
			if c.Key == "kernel" {
				all = stats.AddNew(all, seriesKey)
			}
		}
		for _, p := range s.First.Params {
			all = stats.AddNew(all, "/"+p.Key)
		}
	}
	return all
}

// unknown reports a key that was asked for and that no trial has: a mistake, which
// would pass for a comparison of all with nothing.
func (p projections) unknown(cells map[cellKey]*mixed, keys []string) error {
	for _, asked := range []struct {
		what       string
		projection *benchproc.Projection
		key        func(cellKey) benchproc.Key
	}{
		{"table", p.table, func(at cellKey) benchproc.Key { return at.table }},
		{"row", p.row, func(at cellKey) benchproc.Key { return at.row }},
		{"col", p.col, func(at cellKey) benchproc.Key { return at.col }},
	} {
		for _, f := range asked.projection.FlattenedFields() {
			known := len(cells) == 0
			for at := range cells {
				known = known || asked.key(at).Get(f) != ""
			}
			if !known {
				return &QueryError{asked.what, fmt.Errorf("no trial has %s; there are %s", f.Name, list(keys))}
			}
		}
	}
	return nil
}

// mixedKeys lists what there must be tables of their own for.
func mixedKeys(p projections, setups []*stats.Setup, cells map[cellKey]*mixed) []string {
	var keys []string
	if slices.ContainsFunc(setups, func(s *stats.Setup) bool { return !s.First.Control && s.First.Bench != setups[0].First.Bench }) {
		keys = append(keys, ".name")
	}
	mixes := make(map[string]bool)
	for _, c := range cells {
		for _, f := range benchproc.NonSingularFields(sortedKeys(c.rest)) {
			mixes[f.Name] = f.Name != ".fullname"
		}
	}
	for _, f := range p.rest.FlattenedFields() {
		switch {
		case !mixes[f.Name]:
		case isPlainKey(f.Name):
			keys = append(keys, f.Name)
		default:
			keys = append(keys, strconv.Quote(f.Name))
		}
	}
	return keys
}

// compared is the cells of one table.
type compared struct {
	table      benchproc.Key
	rows, cols []benchproc.Key
	cells      map[cellKey]*mixed
	setups     []*stats.Setup // by row and column
}

func newCompared(table benchproc.Key, cells map[cellKey]*mixed) compared {
	rows, cols := make(map[benchproc.Key]bool), make(map[benchproc.Key]bool)
	for k := range cells {
		if k.table == table {
			rows[k.row], cols[k.col] = true, true
		}
	}
	t := compared{table: table, rows: sortedKeys(rows), cols: sortedKeys(cols), cells: cells}
	for _, row := range t.rows {
		for _, col := range t.cols {
			if c := t.cell(row, col); c != nil {
				t.setups = append(t.setups, c.setups...)
			}
		}
	}
	return t
}

func (t compared) cell(row, col benchproc.Key) *mixed { return t.cells[cellKey{t.table, row, col}] }

// each calls f for every cell there is.
func (t compared) each(f func(*mixed)) {
	for k, c := range t.cells {
		if k.table == t.table {
			f(c)
		}
	}
}

// differs lists what differs in the table that nobody has asked for.
func (t compared) differs() (keys []string) {
	rest := make(map[benchproc.Key]bool)
	t.each(func(c *mixed) { maps.Copy(rest, c.rest) })
	for _, f := range benchproc.NonSingularFields(sortedKeys(rest)) {
		if f.Name != ".fullname" {
			keys = append(keys, f.Name)
		}
	}
	return keys
}

// mixes warns of cells that hold trials of several names.
func (t compared) mixes() []string {
	names := make(map[string]bool)
	t.each(func(c *mixed) {
		var labels [][]results.Param
		for key := range c.rest {
			labels = append(labels, nameIn(key))
		}
		for _, key := range stats.Varying(labels) {
			names[key] = true
		}
	})
	if len(names) == 0 {
		return nil
	}
	return []string{"cells mix trials that differ in " + list(slices.Sorted(maps.Keys(names)))}
}

// nameIn returns what a key says of the benchmark's name; name is what has no
// key of its own.
func nameIn(key benchproc.Key) []results.Param {
	var params []results.Param
	for _, f := range key.Projection().FlattenedFields() {
		if f.Name != ".fullname" {
			continue
		}
		base, parts := benchfmt.Name(key.Get(f)).Parts()
		params = append(params, results.Param{Key: "name", Value: string(base)})
		for _, part := range parts {
			k, v, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "=")
			if !ok {
				k, v = "name", string(part)
			}
			params = append(params, results.Param{Key: k, Value: v})
		}
	}
	return params
}

// fill computes the cells of one unit. A column or row that has nothing in it is no
// part of its table.
func (c *Comparison) fill(q Query, unit string, t compared, groupOf map[*stats.Setup]*stats.Group, units benchfmt.UnitMetadataMap) {
	_, tidy := benchunit.Tidy(1, unit)
	scaled, factor := q.scale(tidy)
	c.Unit, c.Better = scaled, units.GetBetter(tidy)
	assume := units.GetAssumption(tidy)

	cells := make([][]*ComparedCell, len(t.rows))
	some := make([]bool, len(t.cols))
	for i, row := range t.rows {
		cells[i] = make([]*ComparedCell, len(t.cols))
		for j, col := range t.cols {
			m := t.cell(row, col)
			if m == nil {
				continue
			}
			cell, sample := stats.NewCell(unit, stats.Trials(m.setups...), controlsOf(m.setups, groupOf), assume)
			if cell.N > 0 {
				cells[i][j] = &ComparedCell{Cell: cell.Times(factor), Broken: len(stats.Broken(m.setups...)), sample: sample}
				some[j] = true
			}
		}
	}
	for j, col := range t.cols {
		if some[j] {
			c.Cols = append(c.Cols, columnName(col))
		}
	}
	for i, row := range t.rows {
		r := ComparedRow{}
		for _, f := range row.Projection().FlattenedFields() {
			r.Key = append(r.Key, row.Get(f))
		}
		for j, cell := range cells[i] {
			if some[j] {
				r.Cells = append(r.Cells, cell)
			}
		}
		if slices.ContainsFunc(r.Cells, func(c *ComparedCell) bool { return c != nil }) {
			c.compareRow(r, assume)
			c.Rows = append(c.Rows, r)
		}
	}
}

// compareRow compares the cells of a row with the first.
func (c *Comparison) compareRow(r ComparedRow, assume benchmath.Assumption) {
	for j, cell := range r.Cells {
		if cell == nil {
			continue
		}
		c.Warnings = stats.AddNew(c.Warnings, texts(cell.Warnings)...)
		if base := r.Cells[0]; base != nil && j > 0 {
			// The samples, before scaling: ties may not come and go with it.
			change := assume.Compare(base.sample, cell.sample)
			cell.Change = &Change{change, cell.Center / base.Center, change.FormatDelta(base.Center, cell.Center)}
			c.Warnings = stats.AddNew(c.Warnings, texts(change.Warnings)...)
		}
	}
}

// controlsOf returns the controls of the groups that some armies are of.
func controlsOf(setups []*stats.Setup, groupOf map[*stats.Setup]*stats.Group) (controls []*results.Record) {
	seen := make(map[*stats.Group]bool)
	for _, s := range setups {
		if g := groupOf[s]; g != nil && !seen[g] {
			seen[g] = true
			controls = append(controls, stats.Trials(g.Controls...)...)
		}
	}
	return controls
}

func columnName(col benchproc.Key) string {
	var names []string
	for _, f := range col.Projection().FlattenedFields() {
		names = append(names, cmp.Or(col.Get(f), "none"))
	}
	return strings.Join(names, " ")
}

func labelKey(f *benchproc.Field) string {
	switch f.Name {
	case ".fullname":
		return "name"
	case ".name":
		return "benchmark"
	}
	return strings.TrimPrefix(f.Name, "/")
}

func sortedKeys[T any](m map[benchproc.Key]T) []benchproc.Key {
	keys := slices.Collect(maps.Keys(m))
	benchproc.SortKeys(keys)
	return keys
}

// rowParams says what table and row are of.
func (c Comparison) rowParams(i int) []results.Param {
	params := slices.Clone(c.Of)
	for k, key := range c.Keys {
		params = append(params, results.Param{Key: key, Value: c.Rows[i].Key[k]})
	}
	return params
}
