package results

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"zombench/results/table"
)

// A grid is a table for people, as every format prints it.
type grid struct {
	title  string // empty if there is only one
	header []string
	labels int // columns that name the rows
	names  int // columns, among the first, that begin on the left
	rows   [][]string
	notes  []string
}

// grids gives the tables of a report.
func (r Report) grids() []grid {
	if r.Query.compares() {
		var all []grid
		for _, c := range r.Comparisons {
			if r.Query.Medians {
				all = append(all, c.medians())
			} else {
				all = append(all, c.grid())
			}
		}
		return all
	}
	if len(r.Table.Rows) == 0 {
		return nil
	}
	return []grid{r.Table.grid()}
}

// heading names the column of a unit: what caption says of all need not stand
// in each.
func heading(unit string) string {
	if base, _, ok := PerZombies(unit); ok {
		return base
	}
	return unit
}

// caption says over how many zombies the columns are.
func (t Table) caption() string {
	var over []float64
	bases := make(map[float64][]string)
	for _, unit := range t.Units {
		if base, per, ok := PerZombies(unit); ok {
			bases[per] = append(bases[per], base)
			if !slices.Contains(over, per) {
				over = append(over, per)
			}
		}
	}
	slices.Sort(over)
	slices.Reverse(over)
	var parts []string
	for _, per := range over {
		parts = append(parts, list(bases[per])+" per "+zombies(per))
	}
	return strings.Join(append(parts, "median ± 95 % interval of n trials"), "; ")
}

func zombies(per float64) string {
	if per == 1 {
		return "zombie"
	}
	return fmt.Sprintf("%.0f zombies", per)
}

func (t Table) grid() grid {
	g := grid{header: append(slices.Clone(t.Labels), "n"), labels: len(t.Labels)}
	quantities := make(map[string]quantity)
	for _, unit := range t.Units {
		g.header = append(g.header, heading(unit))
		var centers []float64
		for _, r := range t.Rows {
			if c, ok := r.Cells[unit]; ok && !c.BelowNoise {
				centers = append(centers, c.Center)
			}
		}
		quantities[unit] = newQuantity(unit, centers...)
	}
	flagged := slices.ContainsFunc(t.Rows, func(r TableRow) bool { return r.Broken+r.Noisy > 0 })
	if flagged {
		g.header = append(g.header, "flags")
	}
	for _, r := range t.Rows {
		row := append(slices.Clone(r.Labels), strconv.Itoa(r.Trials))
		for _, unit := range t.Units {
			c, ok := r.Cells[unit]
			if !ok {
				row = append(row, "-")
				continue
			}
			row = append(row, c.text(quantities[unit]))
		}
		if flagged {
			row = append(row, flags(r.Broken, r.Noisy))
		}
		g.rows = append(g.rows, row)
	}
	g.notes = append(g.notes, t.caption())
	for _, w := range t.Warnings {
		g.notes = append(g.notes, w.Error())
	}
	return g
}

func flags(broken, noisy int) string {
	var flags []string
	if broken > 0 {
		flags = append(flags, fmt.Sprintf("%d broken", broken))
	}
	if noisy > 0 {
		flags = append(flags, fmt.Sprintf("%d noisy", noisy))
	}
	return strings.Join(flags, ", ")
}

func (c Cell) text(q quantity) string {
	switch {
	case c.BelowNoise:
		return "below noise"
	case c.Method == "exact" && c.Lo == c.Hi:
		return raw(c.Center)
	}
	return q.format(c.Center) + " ± " + c.PctRangeString()
}

// medians is the grid of a comparison without all that stands beside them.
func (c Comparison) medians() grid {
	g := grid{title: c.title(), header: append(slices.Clone(c.Keys), c.Cols...), labels: len(c.Keys)}
	q := c.quantity()
	fewest, most, widest := math.MaxInt, 0, 0.0
	for _, r := range c.Rows {
		row := slices.Clone(r.Key)
		for _, cell := range r.Cells {
			if cell == nil {
				row = append(row, "-")
				continue
			}
			text := q.format(cell.Center)
			if cell.BelowNoise {
				text = "below noise"
			}
			if cell.Broken > 0 { // what is left may be no better
				text += fmt.Sprintf(" (%d of %d)", cell.N, cell.N+cell.Broken)
			}
			row = append(row, text)
			fewest, most = min(fewest, cell.N), max(most, cell.N)
			switch wide := cell.Hi - cell.Lo; {
			case !finite(wide):
				widest = math.Inf(1)
			case cell.Center != 0:
				widest = max(widest, wide/2/math.Abs(cell.Center))
			}
		}
		g.rows = append(g.rows, row)
	}
	caption := fmt.Sprintf("median of %d to %d trials", fewest, most)
	if fewest == most {
		caption = fmt.Sprintf("median of %d trials", fewest)
	}
	if finite(widest) {
		caption += fmt.Sprintf("; the widest 95 %% interval is ± %.2g %%", 100*widest)
	} else {
		caption += "; some have no 95 % interval: too few trials"
	}
	g.notes = append(g.notes, caption)
	if c.Broken > 0 {
		g.notes = append(g.notes, "(k of n): of n trials k count, the others broke")
	}
	g.notes = append(g.notes, c.flagNotes()...)
	return g
}

// quantity is the unit that suits all cells.
func (c Comparison) quantity() quantity {
	var centers []float64
	for _, r := range c.Rows {
		for _, cell := range r.Cells {
			if cell != nil && !cell.BelowNoise {
				centers = append(centers, cell.Center)
			}
		}
	}
	return newQuantity(c.Unit, centers...)
}

// flagNotes says what is the matter with the trials.
func (c Comparison) flagNotes() (notes []string) {
	if f := flags(c.Broken, c.Noisy); f != "" {
		notes = append(notes, "flagged trials: "+f+"; broken ones are left out")
	}
	for _, w := range c.Warnings {
		notes = append(notes, w.Error())
	}
	return notes
}

func (c Comparison) grid() grid {
	g := grid{title: c.title(), header: slices.Clone(c.Keys), labels: len(c.Keys)}
	for j, col := range c.Cols {
		g.header = append(g.header, col)
		if j == 0 {
			g.header = append(g.header, "n")
		} else {
			g.header = append(g.header, "vs "+c.Cols[0])
		}
	}
	q := c.quantity()
	for _, r := range c.Rows {
		row := slices.Clone(r.Key)
		for j, cell := range r.Cells {
			value, beside := "-", ""
			if cell != nil {
				value = cell.Cell.text(q)
				switch {
				case j == 0:
					beside = strconv.Itoa(cell.N)
				case cell.Change != nil:
					beside = fmt.Sprintf("%s (%s)", cell.Change.Percent(), cell.Change.Comparison)
				default:
					beside = fmt.Sprintf("(n=%d)", cell.N)
				}
			}
			row = append(row, value, beside)
		}
		g.rows = append(g.rows, row)
	}
	caption := "median ± 95 % interval of n trials"
	if len(c.Cols) > 1 {
		caption += "; ~ is no significant change (p of a Mann-Whitney U test is above 0.05)"
	}
	g.notes = append(g.notes, caption)
	if len(c.Differs) > 0 && len(c.Cols) > 1 {
		note := "the columns differ in " + list(c.Differs) + " as well"
		if heading(c.Unit) == "sec" && (slices.Contains(c.Differs, "cpu") || slices.Contains(c.Differs, "vm")) {
			note += ": times on different machines say nothing about kernels"
		}
		g.notes = append(g.notes, note)
	}
	g.notes = append(g.notes, c.flagNotes()...)
	return g
}

// title is the unit, over what, and which trials.
func (c Comparison) title() string {
	title := c.Unit
	if base, per, ok := PerZombies(c.Unit); ok {
		title = base + " per " + zombies(per)
	}
	var of []string
	for _, p := range c.Of {
		value := p.Value
		if value == "" {
			value = "none"
		}
		of = append(of, p.Key+" "+value)
	}
	if len(of) > 0 {
		title += " (" + strings.Join(of, ", ") + ")"
	}
	return title
}

// escaped gives a grid with every text passed through escape.
func (g grid) escaped(escape func(string) string) grid {
	all := func(texts []string) []string {
		out := make([]string, len(texts))
		for i, s := range texts {
			out[i] = escape(s)
		}
		return out
	}
	e := grid{title: escape(g.title), header: all(g.header), labels: g.labels, names: g.names, notes: all(g.notes)}
	for _, row := range g.rows {
		e.rows = append(e.rows, all(row))
	}
	return e
}

// table is what is printed of a grid between its title and its notes: all of it
// on the right, or names on the left.
func (g grid) table() table.Table {
	return table.Table{Header: g.header, Rows: g.rows, Left: func(column int) bool { return column < g.names }}
}
