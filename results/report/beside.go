package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/stats"
)

// title is the unit, over what, and which trials.
func (c Comparison) title() string {
	title := c.Unit
	if base, per, ok := results.PerZombies(c.Unit); ok {
		title = base + " per " + zombies(per)
	}
	var of []string
	for _, p := range c.Of {
		of = append(of, p.Key+" "+cmp.Or(p.Value, "none"))
	}
	if len(of) > 0 {
		title += " (" + strings.Join(of, ", ") + ")"
	}
	return title
}

// section is the comparison as people read it: the medians with what stands
// beside them, or alone.
func (c Comparison) section(alone bool) Section {
	var all []stats.Cell
	for _, r := range c.Rows {
		for _, cell := range r.Cells {
			if cell != nil {
				all = append(all, cell.Cell)
			}
		}
	}
	q := quantity(c.Unit, all)
	t := newTable(c.Keys, c.Rows, func(r ComparedRow) []string { return r.Key })
	for j, col := range c.Cols {
		t.add(Column{Name: col, Unit: c.Unit}, func(i int) Cell { return c.Rows[i].Cells[j].value(q, alone) })
		if alone {
			continue
		}
		if j > 0 {
			t.add(Column{Name: "vs " + c.Cols[0]}, func(i int) Cell { return c.Rows[i].Cells[j].change().ratio() })
			t.add(Column{Name: "p"}, func(i int) Cell { return c.Rows[i].Cells[j].change().p() })
		}
		t.add(Column{Name: "n"}, func(i int) Cell { return c.Rows[i].Cells[j].n() })
	}
	s := Section{Heading: c.title(), Tables: []Table{t}}
	if alone {
		s.Notes = c.spreadNotes(all)
	} else {
		s.Notes = c.besideNotes()
	}
	if f := flags(c.Broken, c.Warned); f != "" {
		note := "trials: " + f
		if c.Broken > 0 {
			note += "; broken ones do not count"
		}
		s.Notes = append(s.Notes, note)
	}
	s.Notes = append(s.Notes, c.Warnings...)
	return s
}

// value is the median, with its interval if nothing stands beside it.
func (c *ComparedCell) value(q stats.Quantity, alone bool) Cell {
	if c == nil {
		return Words("-")
	}
	cell := valueCell(c.Cell, q)
	if !alone {
		return cell
	}
	if !c.BelowNoise {
		cell.Text = q.Format(c.Center)
	}
	if c.Broken > 0 { // what is left may be no better
		cell.Text += fmt.Sprintf(" (%d of %d)", c.N, c.N+c.Broken)
	}
	return cell
}

// What stands beside a median: how it differs from the first, how certain that is
// (0 where the values are exact), and of how many trials it is.

func (c *ComparedCell) change() *Change {
	if c == nil {
		return nil
	}
	return c.Change
}

func (c *Change) ratio() Cell {
	if c == nil {
		return Cell{}
	}
	return Number(c.Ratio-1, c.Percent)
}

func (c *Change) p() Cell {
	if c == nil || c.P == 0 {
		return Cell{}
	}
	return Number(c.P, fmt.Sprintf("%.3f", c.P))
}

func (c *ComparedCell) n() Cell {
	if c == nil {
		return Cell{}
	}
	return Whole(c.N)
}

func (c Comparison) besideNotes() []string {
	notes := []string{"median ± 95 % interval of n trials"}
	if len(c.Cols) == 1 {
		return notes
	}
	notes[0] += "; ~ is no significant change (p of a Mann-Whitney U test is above 0.05)"
	if len(c.Differs) > 0 {
		note := "the columns also differ in " + list(c.Differs)
		if heading(c.Unit) == "sec" && (slices.Contains(c.Differs, "cpu") || slices.Contains(c.Differs, "vm")) {
			note += ": times on different machines do not compare kernels"
		}
		if slices.Contains(c.Differs, results.ProgramKey) {
			note += "; what children execute is part of what their zombies hold: compare runs of one --program"
		}
		notes = append(notes, note)
	}
	return notes
}

// spreadNotes say of how many trials medians are that stand alone, and how wide
// their intervals.
func (c Comparison) spreadNotes(cells []stats.Cell) []string {
	fewest, most, widest := cells[0].N, 0, 0.0
	for _, c := range cells {
		fewest, most = min(fewest, c.N), max(most, c.N)
		if wide := c.Hi - c.Lo; c.Center != 0 || !stats.Finite(wide) {
			widest = max(widest, wide/2/max(c.Center, -c.Center))
		}
	}
	text := fmt.Sprintf("median of %d to %d trials", fewest, most)
	if fewest == most {
		text = "median of " + Plural(fewest, "trial")
	}
	if stats.Finite(widest) {
		text += fmt.Sprintf("; the widest 95 %% interval is ± %.2g %%", 100*widest)
	} else {
		text += "; some have no 95 % interval: too few trials"
	}
	if c.Broken > 0 {
		return []string{text, "(k of n): k of n trials count, the others are broken"}
	}
	return []string{text}
}

// flags says how many trials of a row are broken or flagged.
func flags(broken, warned int) string {
	var flags []string
	if broken > 0 {
		flags = append(flags, fmt.Sprintf("%d broken", broken))
	}
	if warned > 0 {
		flags = append(flags, fmt.Sprintf("%d with warnings", warned))
	}
	return strings.Join(flags, ", ")
}
