package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"zombench/results"
	"zombench/results/stats"
)

// headline is the answer of several systems in one sentence; "" if they give
// none.
func headline(all []Summary) string {
	type answer struct {
		s Summary
		e *stats.Estimate
	}
	answers := func(of func(Summary) *stats.Estimate) (some []answer) {
		for _, s := range all {
			if e := of(s); e != nil && e.AboveNoise() {
				some = append(some, answer{s, e})
			}
		}
		return some
	}
	what := "kernel memory charged to their cgroup"
	some := answers(Summary.Charge)
	if len(some) < 2 {
		what, some = "kernel slab", answers(Summary.Slab)
	}
	if len(some) < 2 {
		return ""
	}
	byBytes := func(a, b answer) int { return cmp.Compare(a.e.PerZombie, b.e.PerZombie) }
	least, most := slices.MinFunc(some, byBytes), slices.MaxFunc(some, byBytes)
	hold := "hold"
	if least.s.Per == 1 {
		hold = "holds"
	}
	return fmt.Sprintf("%s %s from %s of %s (%s) to %s (%s).", plural(least.s.Per, "zombie"), hold,
		least.s.bytes(*least.e), what, least.s.System(), most.s.bytes(*most.e), most.s.System())
}

// estimates is the table of what one zombie adds to each instrument, a row for
// each system.
func estimates(q Query, all []Summary) []Section {
	var units []string
	var labels [][]results.Param
	for _, s := range all {
		labels = append(labels, s.Labels)
		for _, i := range s.Instruments {
			if q.wanted(i.Unit) && !slices.Contains(units, i.Unit) {
				units = append(units, i.Unit)
			}
		}
	}
	if len(units) == 0 {
		return nil
	}
	keys := stats.Distinguishing(labels)
	var t Table
	for _, key := range keys {
		words := slices.ContainsFunc(all, func(s Summary) bool { return !isNumber(s.Label(key)) })
		t.Columns = append(t.Columns, Column{Name: key, Left: words})
	}
	t.Columns = append(t.Columns, Column{Name: "n"})
	for _, unit := range units {
		t.Columns = append(t.Columns, Column{Name: heading(unit), Unit: "B/zombie"})
	}
	slopes, single := false, false
	for _, s := range all {
		var row []Cell
		for _, key := range keys {
			row = append(row, Words(s.Label(key)))
		}
		row = append(row, Number(float64(s.Trials), strconv.Itoa(s.Trials)))
		for _, unit := range units {
			e, ok := s.Estimate(unit)
			if !ok {
				row = append(row, Words("-"))
				continue
			}
			slopes, single = slopes || !e.OneCount, single || e.OneCount
			row = append(row, estimateCell(e))
		}
		t.Rows = append(t.Rows, row)
	}
	caption := "B a zombie and 95 % interval, of n trials: "
	switch {
	case slopes && single:
		caption += "slopes over several counts, medians where there is one count only"
	case single:
		caption += "medians of differences at one count only, in which partly filled slabs pass for small zombies"
	default:
		caption += "slopes over the counts"
	}
	return []Section{{Heading: "What one zombie holds", Tables: []Table{t}, Notes: []string{caption}}}
}

func estimateCell(e stats.Estimate) Cell {
	text := fmt.Sprintf("%.0f", e.PerZombie)
	switch {
	case !e.AboveNoise():
		text = "below noise"
	case !math.IsInf(e.Lo, 0) && !math.IsInf(e.Hi, 0):
		text = fmt.Sprintf("%.0f (%.0f to %.0f)", e.PerZombie, e.Lo, e.Hi)
	}
	return Interval(e.PerZombie, e.Lo, e.Hi, text)
}
