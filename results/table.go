package results

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"
)

// A Table has a row for every size of army, parallelism and whatever else
// varies, and a column for every instrument.
type Table struct {
	Labels []string // the columns that name the rows
	Units  []string // the columns of instruments, tidied to base units (sec for ns)
	Rows   []TableRow
	// Warnings are doubts about the statistics that no cell has room for.
	Warnings []error
}

// A TableRow is the trials of one size, parallelism and configuration.
type TableRow struct {
	Config                []Param  // all that the trials share: configuration, then name
	Labels                []string // as Table.Labels
	Trials, Broken, Noisy int      // trials that count; left out; among the first, flagged
	Cells                 map[string]Cell
}

// A Cell is what one instrument said, by the statistics that benchstat uses:
// the median and its interval, or the value of what is exact by nature.
type Cell struct {
	benchmath.Summary
	N      int
	Method string // median or exact
	// Floor is the noise floor in the unit of the cell, -1 if there is none. A
	// cell below it is a number that could as well be had with no zombies.
	Floor      float64
	BelowNoise bool
}

// Table gives the table of all trials.
func (s *Set) Table() Table {
	return s.table(Query{}, s.groups())
}

func (s *Set) table(q Query, all grouping) Table {
	names := telling(all.groups, all.varies)
	t := Table{Labels: append(slices.Clone(names), "count", "parallel")}
	seen := make(map[string]bool)
	warned := make(map[string]bool)
	for _, g := range all.groups {
		controls := counting(g.controls)
		for _, r := range g.rows {
			row := TableRow{Cells: make(map[string]Cell)}
			for _, key := range names {
				row.Labels = append(row.Labels, g.label(key))
			}
			row.Labels = append(row.Labels, r.count, r.parallel)
			for _, l := range g.labels {
				row.Config = append(row.Config, Param(l))
			}
			row.Config = append(row.Config, Param{"count", r.count}, Param{"parallel", r.parallel})
			trials := counting(r.trials)
			row.Trials, row.Broken = len(trials), len(r.trials)-len(trials)
			for _, trial := range trials {
				if len(trial.Warnings) > 0 {
					row.Noisy++
				}
			}
			for _, unit := range unitsOf(trials) {
				if !q.wanted(unit) {
					continue
				}
				_, tidy := benchunit.Tidy(1, unit)
				scaled, _ := q.scale(tidy)
				if !seen[scaled] {
					seen[scaled] = true
					t.Units = append(t.Units, scaled)
				}
				cell, _ := q.newCell(unit, trials, controls, s.Units.GetAssumption(tidy))
				row.Cells[scaled] = cell
				for _, w := range cell.Warnings {
					if !warned[w.Error()] {
						warned[w.Error()] = true
						t.Warnings = append(t.Warnings, w)
					}
				}
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// newCell computes a cell, over as many zombies as q asks for, and the sample
// that it is of, as the file has it.
func (q Query) newCell(unit string, trials, controls []Record, assumption benchmath.Assumption) (Cell, *benchmath.Sample) {
	var values []float64
	largest := 0
	for _, trial := range trials {
		if v, ok := trial.Value(unit); ok {
			tidy, _ := benchunit.Tidy(v, unit)
			values = append(values, tidy)
			largest = max(largest, trial.N)
		}
	}
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	c := Cell{N: len(values), Method: assumption.SummaryLabel(), Floor: -1}
	if c.N == 0 {
		return c, sample
	}
	c.Summary = assumption.Summary(sample, confidence)
	_, factor := q.scale(unit)
	c.Center, c.Lo, c.Hi = c.Center*factor, c.Lo*factor, c.Hi*factor
	if base, per, ok := PerZombies(unit); ok {
		if floor, n := noiseFloor(base, controls); n > 0 {
			// From a difference to one for so many zombies of this army.
			c.Floor = floor * per / float64(largest) * factor
			c.BelowNoise = math.Abs(c.Center) <= c.Floor
		}
	}
	return c, sample
}
