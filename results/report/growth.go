package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/stats"
)

// A growth is how a unit of a benchmark depends on a number among its
// parameters, in each row of a table but for that number.
type growth struct {
	over  string // the parameter
	unit  BenchUnit
	lines []growthLine
}

type growthLine struct {
	labels []results.Param
	points []figure.Point
	x, y   []float64
	fit    *stats.Slope // nil if there is one number
}

// growths finds out how units grow of which the file says that they may
// (results.Over). Controls, whose number is the least, are left out.
func (t BenchTable) growths(units benchfmt.UnitMetadataMap) (all []growth) {
	for _, u := range t.Units {
		m := units.Get(u.Name, results.Over)
		if m == nil || !slices.Contains(t.Labels, m.Value) {
			continue
		}
		g := growth{over: m.Value, unit: u}
		for _, r := range t.Rows {
			if c, ok := r.Cells[u.Name]; ok && !r.Control {
				g.add(t.labels(r), r, c)
			}
		}
		for i := range g.lines {
			l := &g.lines[i]
			if s, err := stats.TheilSen(l.x, l.y, stats.Confidence); err == nil {
				l.fit = &s
			}
		}
		if slices.ContainsFunc(g.lines, func(l growthLine) bool { return l.fit != nil }) {
			all = append(all, g)
		}
	}
	return all
}

// add adds a row to the line that it belongs to.
func (g *growth) add(labels []results.Param, r BenchRow, c stats.Cell) {
	x, err := strconv.ParseFloat(results.Lookup(labels, g.over), 64)
	if err != nil {
		return
	}
	labels = slices.DeleteFunc(labels, func(p results.Param) bool { return p.Key == g.over })
	i := slices.IndexFunc(g.lines, func(l growthLine) bool { return slices.Equal(l.labels, labels) })
	if i < 0 {
		i = len(g.lines)
		g.lines = append(g.lines, growthLine{labels: labels})
	}
	l := &g.lines[i]
	l.points = append(l.points, figure.Point{X: x, Cell: c})
	for _, trial := range stats.Trials(r.setups...) {
		for _, v := range trial.Values {
			if y, unit := benchunit.Tidy(v.Value, v.Unit); unit == g.unit.Name {
				l.x, l.y = append(l.x, x), append(l.y, y)
			}
		}
	}
}

// growthSection is the slopes of a table's units, and their pictures.
func (t BenchTable) growthSection(units benchfmt.UnitMetadataMap) (s Section, ok bool) {
	all := t.growths(units)
	if len(all) == 0 {
		return s, false
	}
	lines := all[0].lines
	var names []string
	for _, p := range lines[0].labels {
		names = append(names, p.Key)
	}
	table := newTable(names, lines, func(l growthLine) []string { return values(l.labels) })
	for _, g := range all {
		fits := make([]*stats.Slope, len(lines))
		var slopes []float64
		for i := range lines {
			at := slices.IndexFunc(g.lines, func(l growthLine) bool { return slices.Equal(l.labels, lines[i].labels) })
			if at >= 0 && g.lines[at].fit != nil {
				fits[i] = g.lines[at].fit
				slopes = append(slopes, fits[i].Slope)
			}
		}
		q := stats.NewQuantity(g.unit.Name, slices.MaxFunc(slopes, byMagnitude)/1000).WithPrec(1) // 1118.0 ns beside 0.2 ns
		table.add(Column{Name: heading(g.unit.Name), Unit: g.unit.Name + "/" + g.over}, func(i int) Cell {
			if fits[i] == nil {
				return Words("-")
			}
			return slopeCell(*fits[i], q)
		})
		s.Figures = append(s.Figures, g.figures()...)
	}
	s.Heading = t.Bench + " over " + all[0].over
	s.Tables = []Table{table}
	s.Notes = []string{"Theil-Sen slopes over " + all[0].over + ", and their 95 % intervals: an interval that includes 0 shows no growth"}
	return s, true
}

func byMagnitude(a, b float64) int { return cmp.Compare(max(a, -a), max(b, -b)) }

// slopeCell prints a slope with its interval.
func slopeCell(s stats.Slope, q stats.Quantity) Cell {
	text := q.Format(s.Slope)
	if stats.Finite(s.Lo, s.Hi) {
		text += " (" + q.Number(s.Lo) + " to " + q.Number(s.Hi) + ")"
	}
	return Interval(s.Slope, s.Lo, s.Hi, text)
}

// figures is the picture of a unit, what ends highest first.
func (g growth) figures() []figure.Figure {
	var lines []figure.Line
	for _, l := range g.lines {
		lines = append(lines, figure.Line{Name: results.Printable(strings.Join(values(l.labels), ", ")), Points: l.points})
	}
	last := func(l figure.Line) float64 { return l.Points[len(l.Points)-1].Center }
	slices.SortStableFunc(lines, func(a, b figure.Line) int { return cmp.Compare(last(b), last(a)) })
	if f := figure.Growth(lines, g.over, g.unit.Name, heading(g.unit.Name), cmp.Or(g.unit.Meaning, "as measured")); f != nil {
		return []figure.Figure{*f}
	}
	return nil
}
