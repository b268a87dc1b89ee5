package report

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// figures are the pictures of memory, those that there are numbers for.
func (r *Report) figures() []figure.Figure {
	series := r.series()
	var some []figure.Figure
	all := append([]*figure.Figure{figure.Memory(series)}, r.bars()...)
	all = append(all, figure.Residuals(series), figure.Times(r.times(), r.machinesDiffer()))
	for _, f := range append(all, r.timelines()...) {
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

// panel is how many systems one figure of bars may show; of more, each architecture has
// a figure of its own.
const panel = 16

// bars draws what was charged for a zombie of each group, or the slab if that is
// not known, and the caches that it lies in, if the files have readings of them.
func (r *Report) bars() (all []*figure.Figure) {
	sites := ledger.Followed(r.setups)
	if len(r.Summaries) <= panel {
		return []*figure.Figure{figure.Bars(barsOf(r.Summaries, Summary.name, sites))}
	}
	for _, same := range stats.Together(r.Summaries, Summary.arch) {
		taken := make(map[string]bool)
		f := figure.Bars(barsOf(same, func(s Summary) string {
			kernel := results.Printable(s.Label("kernel"))
			if taken[kernel] {
				return s.name()
			}
			taken[kernel] = true
			return kernel
		}, sites))
		if arch := same[0].arch(); f != nil && arch != "" {
			f.Title += ", " + arch
		}
		all = append(all, f)
	}
	return all
}

func (s Summary) arch() string { return s.Label("goarch") }

func barsOf(summaries []Summary, name func(Summary) string, sites []*results.Record) (bars []figure.Bar) {
	for _, s := range summaries {
		slab, charge := s.Slab(), s.Charge()
		seen := func(e *stats.Estimate) bool { return e != nil && e.AboveNoise() && stats.Finite(e.PerZombie) }
		var b figure.Bar
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
				if c.Accounted() > 0 {
					b.Parts = append(b.Parts, figure.Part{Name: partName(c), Bytes: c.AccountedBytes()})
				}
			}
		}
		b.Name = name(s)
		bars = append(bars, b)
	}
	return bars
}

// partName is what the objects of a cache are called in a picture, the same for all
// kernels: some keep the process number and the credentials in one cache.
func partName(c ledger.Cache) string {
	holds := c.Holds()
	if !slices.ContainsFunc(holds, func(name string) bool { return name != "cred" && name != "pid" }) {
		return "cred, pid"
	}
	return results.Printable(strings.Join(holds, ", "))
}

// A line of releases are kernels that differ in nothing but their version.
type releases []Summary

// name is what the releases of a line have in common.
func (line releases) name() string {
	name := cmp.Or(flavour(line[0]), line[0].arch(), "kernels")
	if page := line[0].Label("page-size"); page != "" && page != "4096" {
		name += ", pages of " + page + " B"
	}
	return name
}

// lines finds the lines of several releases, each from the oldest to the newest.
func (r *Report) lines() (all []releases) {
	for _, line := range stats.Together(r.Summaries, func(s Summary) string {
		key := flavour(s)
		for _, p := range s.Labels {
			if p.Key != "kernel" {
				key += "\n" + p.Key + ":" + p.Value
			}
		}
		return key
	}) {
		slices.SortStableFunc(line, byRelease)
		if len(line) > 1 {
			all = append(all, line)
		}
	}
	return all
}

// flavour is that of a kernel, without the size of pages, which is a label of its own.
func flavour(s Summary) string {
	return strings.Trim(pagesRE.ReplaceAllString(results.Flavour(s.Label("kernel")), "-"), "-")
}

var pagesRE = regexp.MustCompile(`(^|-)\d+k(-|$)`)

func byRelease(a, b Summary) int {
	return results.CompareReleases(a.Label("kernel"), b.Label("kernel"))
}

// changes returns the releases that charge other than those before them.
func (line releases) changes() []int {
	var series [][]float64
	for _, s := range line {
		_, per, _ := results.PerZombies(results.UnitKmem)
		var values []float64
		for _, t := range stats.Trials(s.Armies...) {
			if v, ok := t.Value(results.UnitKmem); ok {
				values = append(values, v/per)
			}
		}
		series = append(series, values)
	}
	return stats.Changes(series)
}

// timelines draws how zombies grew from release to release.
func (r *Report) timelines() (all []*figure.Figure) {
	for _, line := range r.lines() {
		changed := line.changes()
		var points []figure.Release
		for i, s := range line {
			kernel := s.Label("kernel")
			p := figure.Release{Name: results.Printable(strings.TrimSuffix(kernel, "-"+results.Flavour(kernel))), Changed: slices.Contains(changed, i)}
			if e := s.Charge(); e != nil {
				p.Charged = e.PerZombie
			}
			if e := s.Slab(); e != nil && !s.SlabHidden() {
				p.Pages = e.PerZombie
			}
			points = append(points, p)
		}
		all = append(all, figure.Timeline("What one zombie holds by release, "+line.name(), points))
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
	return stats.Together(armies, func(a *stats.Setup) [2]string { return [2]string{a.First.Param("count"), a.First.Param("parallel")} })
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
