package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

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
	return fmt.Sprintf("%s %s from %s of %s on %s to %s on %s.", Plural(least.s.Per, "zombie"), hold,
		least.s.bytes(*least.e), what, least.s.System(), most.s.bytes(*most.e), most.s.System())
}

// estimates is the table of what one zombie adds to each instrument, a row for
// each system.
func estimates(q Query, all []Summary) []Section {
	var units []string
	for _, s := range all {
		for _, i := range s.Instruments {
			if q.wanted(i.Unit) {
				units = stats.AddNew(units, i.Unit)
			}
		}
	}
	if len(units) == 0 {
		return nil
	}
	t := newTable(all[0].Keys, all, Summary.values)
	t.add(Column{Name: "n"}, func(i int) Cell { return Whole(all[i].Trials) })
	slopes, single := false, false
	for _, unit := range units {
		t.add(Column{Name: heading(unit), Unit: "B/zombie"}, func(i int) Cell {
			e, ok := all[i].Estimate(unit)
			if !ok {
				return Words("-")
			}
			slopes, single = slopes || !e.OneCount, single || e.OneCount
			return estimateCell(e)
		})
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
