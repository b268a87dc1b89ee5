package report

import (
	"cmp"
	"slices"
	"strconv"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// figures are the pictures of memory, those that there are numbers for.
func (r *Report) figures() []figure.Figure {
	series := r.series()
	var some []figure.Figure
	for _, f := range []*figure.Figure{
		figure.Memory(series), figure.Bars(r.bars()), figure.Residuals(series), figure.Times(r.times(), r.machinesDiffer()),
	} {
		if f != nil {
			some = append(some, *f)
		}
	}
	return some
}

// series gives the points of each group, in the instrument that its sentence
// speaks of; of a single group, what was charged as well.
func (r *Report) series() (all []figure.Series) {
	for _, s := range r.Summaries {
		units := []string{cmp.Or(s.SlabUnit, results.UnitKmem)}
		if len(r.Summaries) == 1 && s.SlabUnit != "" {
			units = append(units, results.UnitKmem)
		}
		if s.SlabHidden() {
			units = []string{results.UnitKmem}
		}
		for _, unit := range units {
			e, ok := s.Estimate(unit)
			if !ok {
				continue
			}
			one := figure.Series{Name: s.name(), Fit: e}
			if len(r.Summaries) == 1 {
				one.Name = instrumentName(unit)
			} else if unit == results.UnitKmem {
				one.Name += ", charged"
			}
			one.X, one.Y = stats.Points(unit, stats.Trials(s.Armies...))
			all = append(all, one)
		}
	}
	return all
}

func instrumentName(unit string) string {
	switch unit {
	case results.UnitSlab, results.UnitSUnreclaim:
		return "kernel slab (" + instrument(unit) + ")"
	case results.UnitKmem:
		return "charged to the cgroup"
	}
	return heading(unit)
}

// bars gives what was charged for a zombie of each group, or the slab if that is
// not known, and the caches that it lies in, if the files have readings of them.
func (r *Report) bars() (all []figure.Bar) {
	sites := ledger.Followed(r.setups)
	for _, s := range r.Summaries {
		slab, charge := s.Slab(), s.Charge()
		seen := func(e *stats.Estimate) bool { return e != nil && e.AboveNoise() && stats.Finite(e.PerZombie) }
		b := figure.Bar{Name: s.name()}
		switch {
		case seen(charge):
			b.Bytes = charge.PerZombie
			if seen(slab) && !s.SlabHidden() {
				b.Mark = slab
			}
		case seen(slab):
			b.Bytes, b.Slab = slab.PerZombie, true
		default:
			continue
		}
		if l, err := ledger.Of(s.Group, sites); err == nil && !b.Slab {
			for _, c := range l.Caches {
				if c.Role == ledger.Retained {
					b.Parts = append(b.Parts, figure.Part{Name: results.Printable(c.Name), Bytes: c.Bytes()})
				}
			}
		}
		all = append(all, b)
	}
	return all
}

// times gives the creation times, a line for each group and parallelism.
func (r *Report) times() (all []figure.Line) {
	for _, s := range r.Summaries {
		first := len(all)
		for _, rows := range alike(s.Armies) {
			trials := stats.Trials(rows...)
			c, _ := stats.NewCell(results.UnitTime, trials, nil, r.units.GetAssumption("sec/zombie"))
			if c.N == 0 {
				continue
			}
			name := rows[0].First.Param("parallel") + " at a time"
			if len(r.Summaries) > 1 {
				name = s.name() + ", " + name
			}
			at := slices.IndexFunc(all[first:], func(l figure.Line) bool { return l.Name == name })
			if at < 0 {
				all, at = append(all, figure.Line{Name: results.Printable(name)}), len(all)-first
			}
			l := &all[first+at]
			l.Points = append(l.Points, figure.Point{X: float64(trials[0].N), Cell: c})
		}
	}
	for _, l := range all {
		slices.SortFunc(l.Points, func(a, b figure.Point) int { return cmp.Compare(a.X, b.X) })
	}
	return all
}

// alike puts together armies of one size and parallelism from several files.
func alike(armies []*stats.Setup) [][]*stats.Setup {
	var all [][]*stats.Setup
	at := make(map[string]int)
	for _, a := range armies {
		key := strconv.Quote(a.First.Param("count")) + a.First.Param("parallel")
		i, ok := at[key]
		if !ok {
			i = len(all)
			at[key] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], a)
	}
	return all
}

// machinesDiffer reports whether times cannot be compared.
func (r *Report) machinesDiffer() bool {
	for _, key := range []string{"cpu", "vm"} {
		if slices.ContainsFunc(r.Summaries, func(s Summary) bool { return s.Label(key) != r.Summaries[0].Label(key) }) {
			return true
		}
	}
	return false
}
