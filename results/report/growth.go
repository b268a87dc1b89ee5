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

// A growth is how a unit of a benchmark depends on the size of the army, in each
// row of a table but for that size.
type growth struct {
	unit  BenchUnit
	lines []growthLine
}

type growthLine struct {
	labels []results.Param
	points []figure.Point
	x, y   []float64
	fit    *stats.Estimate // nil if there is one size
}

// growths finds out how units grow of which the file says that they may
// (results.OverCount). Controls, whose army is the least, are left out.
func (t BenchTable) growths(units benchfmt.UnitMetadataMap) (all []growth) {
	key, value, _ := strings.Cut(results.OverCount, "=")
	for _, u := range t.Units {
		if m := units.Get(u.Name, key); m == nil || m.Value != value || !slices.Contains(t.Labels, value) {
			continue
		}
		g := growth{unit: u}
		for _, r := range t.Rows {
			if c, ok := r.Cells[u.Name]; ok && !r.Control {
				g.add(t.labels(r), r, c)
			}
		}
		for i := range g.lines {
			l := &g.lines[i]
			if e, err := stats.NewEstimate(l.x, l.y, nil); err == nil && !e.OneCount {
				l.fit = &e
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
	count, err := strconv.ParseFloat(results.Lookup(labels, "count"), 64)
	if err != nil {
		return
	}
	labels = slices.DeleteFunc(labels, func(p results.Param) bool { return p.Key == "count" })
	i := slices.IndexFunc(g.lines, func(l growthLine) bool { return slices.Equal(l.labels, labels) })
	if i < 0 {
		i = len(g.lines)
		g.lines = append(g.lines, growthLine{labels: labels})
	}
	l := &g.lines[i]
	l.points = append(l.points, figure.Point{Count: count, Cell: c})
	for _, trial := range stats.Trials(r.setups...) {
		for _, v := range trial.Values {
			if y, unit := benchunit.Tidy(v.Value, v.Unit); unit == g.unit.Name {
				l.x, l.y = append(l.x, count), append(l.y, y)
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
	table := newTable(names, lines, func(l growthLine) (values []string) {
		for _, p := range l.labels {
			values = append(values, p.Value)
		}
		return values
	})
	for _, g := range all {
		fits := make([]*stats.Estimate, len(lines))
		var slopes []float64
		for i := range lines {
			at := slices.IndexFunc(g.lines, func(l growthLine) bool { return slices.Equal(l.labels, lines[i].labels) })
			if at >= 0 && g.lines[at].fit != nil {
				fits[i] = g.lines[at].fit
				slopes = append(slopes, fits[i].PerZombie)
			}
		}
		unit := results.OverZombies(g.unit.Name, 1)
		q := stats.NewQuantity(unit, slices.MaxFunc(slopes, byMagnitude)/1000).WithPrec(1) // 1118.0 ns beside 0.2 ns
		table.add(Column{Name: heading(g.unit.Name), Unit: unit}, func(i int) Cell {
			if fits[i] == nil {
				return Words("-")
			}
			return slopeCell(*fits[i], q)
		})
		s.Figures = append(s.Figures, g.figures()...)
	}
	s.Heading = t.Bench + ", for each zombie"
	s.Tables = []Table{table}
	s.Notes = []string{"Theil-Sen slopes over count, and their 95 % intervals: where 0 lies within, there is no growth to be seen"}
	return s, true
}

func byMagnitude(a, b float64) int { return cmp.Compare(max(a, -a), max(b, -b)) }

// slopeCell prints a slope with its interval.
func slopeCell(e stats.Estimate, q stats.Quantity) Cell {
	text := q.Format(e.PerZombie)
	if stats.Finite(e.Lo, e.Hi) {
		text += " (" + q.Number(e.Lo) + " to " + q.Number(e.Hi) + ")"
	}
	return Interval(e.PerZombie, e.Lo, e.Hi, text)
}

// figures is the picture of a unit, what is largest with the largest army first.
func (g growth) figures() []figure.Figure {
	var lines []figure.Line
	for _, l := range g.lines {
		var name []string
		for _, p := range l.labels {
			name = append(name, p.Value)
		}
		lines = append(lines, figure.Line{Name: results.Printable(strings.Join(name, ", ")), Points: l.points})
	}
	last := func(l figure.Line) float64 { return l.Points[len(l.Points)-1].Center }
	slices.SortStableFunc(lines, func(a, b figure.Line) int { return cmp.Compare(last(b), last(a)) })
	if f := figure.Growth(lines, g.unit.Name, heading(g.unit.Name), cmp.Or(g.unit.Meaning, "as measured")); f != nil {
		return []figure.Figure{*f}
	}
	return nil
}
