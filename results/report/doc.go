package report

import (
	"fmt"
	"math"
	"slices"

	"zombench/results/figure"
)

// A Doc is the answer of a command: facts, tables and pictures, which every
// format renders in its own way.
type Doc struct {
	// Title is a page's; text and Markdown, which are read beside others, leave it out.
	Title    string    `json:"title,omitempty"`
	Facts    []string  `json:"facts,omitempty"` // sentences: the answer first, then what it rests on
	Sections []Section `json:"sections"`
	Notes    []string  `json:"notes,omitempty"` // what else a reader should know
	// Data is what JSON has instead of all that, where programs want more than
	// tables say. Nil for the tables themselves.
	Data any `json:"-"`
	// Width is that of text that is not for a page, in columns. 0: that of the terminal
	// that it is written to, or of a page.
	Width int `json:"-"`
}

// A Section is a part of a Doc.
type Section struct {
	Heading string          `json:"heading,omitempty"`
	Facts   []string        `json:"facts,omitempty"` // as in a Doc
	Tables  []Table         `json:"tables,omitempty"`
	Figures []figure.Figure `json:"-"`               // for formats that have pictures
	Notes   []string        `json:"notes,omitempty"` // below the tables: how to read them
}

// A Table is columns and rows, each with a cell for each column.
type Table struct {
	Name    string   `json:"name,omitempty"` // "" if the section has no other
	Columns []Column `json:"columns"`
	Rows    [][]Cell `json:"rows"`
}

// A Column is what its cells have in common.
type Column struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"` // of the values; for programs, people read it in the cells
	Left bool   `json:"-"`              // words begin on the left, numbers end on the right
}

// A Cell is text for people, and for programs a number with its interval, if it
// is one.
type Cell struct {
	Text  string   `json:"text"`
	Value *float64 `json:"value,omitempty"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
}

// Words returns a cell of words.
func Words(s string) Cell { return Cell{Text: s} }

// Number returns a cell of a number in the base unit, as it is shown to people. What
// is infinite or no number has no value.
func Number(v float64, text string) Cell { return Cell{Text: text, Value: finite(v)} }

// Whole returns a cell of a count.
func Whole[T int | uint64](n T) Cell { return Number(float64(n), fmt.Sprint(n)) }

// Interval returns a cell of a number with its interval.
func Interval(v, lo, hi float64, text string) Cell {
	return Cell{Text: text, Value: finite(v), Lo: finite(lo), Hi: finite(hi)}
}

// Row adds a row. A text, or a whole number, stands for a cell of it.
func (t *Table) Row(cells ...any) {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case Cell:
			row[i] = c
		case int:
			row[i] = Whole(c)
		case uint64:
			row[i] = Whole(c)
		default:
			row[i] = Words(fmt.Sprint(c))
		}
	}
	t.Rows = append(t.Rows, row)
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// Figures returns the pictures of a Doc that have one of the names, all if there
// are no names.
func (d Doc) Figures(names ...string) []figure.Figure {
	var some []figure.Figure
	for _, s := range d.Sections {
		for _, f := range s.Figures {
			if len(names) == 0 || slices.Contains(names, f.Name) {
				some = append(some, f)
			}
		}
	}
	return some
}

// WithoutEmpty returns the table without the columns in which no row says
// anything.
func (t Table) WithoutEmpty() Table {
	keep := Table{Name: t.Name, Rows: make([][]Cell, len(t.Rows))}
	for i, c := range t.Columns {
		if !slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[i].Text != "" }) {
			continue
		}
		keep.Columns = append(keep.Columns, c)
		for j, row := range t.Rows {
			keep.Rows[j] = append(keep.Rows[j], row[i])
		}
	}
	return keep
}
