package report

import (
	"slices"
	"strconv"

	"zombench/results"
	"zombench/results/stats"
)

// newTable begins a table whose first columns name its rows; what is said of no
// row has no column.
func newTable[R any](names []string, rows []R, labels func(R) []string) Table {
	t := Table{Rows: make([][]Cell, len(rows))}
	for i, name := range names {
		said := func(r R) bool { return labels(r)[i] != "" }
		word := func(r R) bool { _, err := strconv.ParseFloat(labels(r)[i], 64); return said(r) && err != nil }
		if !slices.ContainsFunc(rows, said) {
			continue
		}
		t.Columns = append(t.Columns, Column{Name: name, Left: slices.ContainsFunc(rows, word)})
		for j, r := range rows {
			t.Rows[j] = append(t.Rows[j], Words(labels(r)[i]))
		}
	}
	return t
}

// add adds a column, given its cell of each row.
func (t *Table) add(c Column, cell func(row int) Cell) {
	t.Columns = append(t.Columns, c)
	for i := range t.Rows {
		t.Rows[i] = append(t.Rows[i], cell(i))
	}
}

func values(params []results.Param) (all []string) {
	for _, p := range params {
		all = append(all, p.Value)
	}
	return all
}

// quantity suits all cells of a unit.
func quantity(unit string, cells []stats.Cell) stats.Quantity {
	var centers []float64
	for _, c := range cells {
		if !c.BelowNoise {
			centers = append(centers, c.Center)
		}
	}
	return stats.NewQuantity(unit, centers...)
}

// valueCell prints a median with its interval, where there is one.
func valueCell(c stats.Cell, q stats.Quantity) Cell {
	text := q.Format(c.Center) + " ± " + c.PctRangeString()
	switch {
	case c.BelowNoise:
		text = "below noise"
	case c.Method == "exact" && c.Lo == c.Hi:
		text = strconv.FormatFloat(c.Center, 'g', -1, 64)
	}
	return Interval(c.Center, c.Lo, c.Hi, text)
}
