package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"

	"zombench/results/table"
)

// timeFigure draws how long the creation of a zombie took: medians and their
// intervals, both axes logarithmic.
func (r Report) timeFigure() (*Figure, error) {
	type point struct{ x, center, lo, hi float64 }
	type line struct {
		name   string
		points []point
	}
	var all []*line
	for i, g := range r.grouping.groups {
		byParallel := make(map[string]*line)
		for _, row := range g.rows {
			trials := counting(row.trials)
			if len(trials) == 0 {
				continue
			}
			c, _ := Query{}.newCell(UnitTime, trials, nil, r.set.Units.GetAssumption(UnitTime))
			if c.N == 0 || c.Center <= 0 || !finite(c.Center) {
				continue
			}
			if !finite(c.Lo, c.Hi) || c.Lo <= 0 {
				c.Lo, c.Hi = c.Center, c.Center
			}
			l := byParallel[row.parallel]
			if l == nil {
				l = &line{name: fmt.Sprintf("%s at a time", row.parallel)}
				if len(r.grouping.groups) > 1 {
					l.name = r.groupName(i) + ", " + l.name
				}
				byParallel[row.parallel] = l
				all = append(all, l)
			}
			l.points = append(l.points, point{float64(trials[0].N), c.Center, c.Lo, c.Hi})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	left := ""
	if len(all) > maxSeries {
		left = fmt.Sprintf(" The first %d of %d are drawn; a filter chooses others.", maxSeries, len(all))
		all = all[:maxSeries]
	}
	var counts []float64
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, l := range all {
		slices.SortFunc(l.points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
		for _, p := range l.points {
			counts = append(counts, p.x)
			loX, hiX, loY, hiY = min(loX, p.x), max(hiX, p.x), min(loY, p.lo), max(hiY, p.hi)
		}
	}
	q := newQuantity("sec/zombie", loY)
	p := newPlot("zombies in the army", unitLabel("creation time per zombie", q))
	logRange(&p.X, loX, hiX)
	p.X.Tick.Marker = countTicks(counts, p.X.Tick.Marker)
	logRange(&p.Y, loY/q.scale.Factor, hiY/q.scale.Factor)
	addGrid(p)
	note := ""
	if slices.ContainsFunc([]string{"cpu", "vm"}, func(key string) bool { return slices.Contains(r.grouping.varies, key) }) {
		note = " The machines differ: compare within one only."
	}
	f := &Figure{Title: "Creation time against count", plot: p,
		Caption: "Medians with their 95 % intervals, from the first spawn to the last death, over the army's size." + note + left}
	xRange, yRange := [2]float64{p.X.Min, p.X.Max}, [2]float64{p.Y.Min, p.Y.Max}
	for i, l := range all {
		var xys plotter.XYs
		var errs plotter.YErrors
		var x, y []float64
		for _, pt := range l.points {
			x, y = append(x, pt.x), append(y, pt.center)
			xys = append(xys, plotter.XY{X: pt.x, Y: pt.center / q.scale.Factor})
			errs = append(errs, struct{ Low, High float64 }{(pt.center - pt.lo) / q.scale.Factor, (pt.hi - pt.center) / q.scale.Factor})
		}
		connect, err := plotter.NewLine(xys)
		if err != nil {
			return nil, err
		}
		connect.LineStyle = lineStyle(i)
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{xys, errs})
		if err != nil {
			return nil, err
		}
		bars.Color, bars.Width, bars.CapWidth = palette[i%len(palette)], 1, 5
		marks, err := scatter(i, x, y, q)
		if err != nil {
			return nil, err
		}
		p.Add(connect, bars, marks)
		f.legend.add(table.Printable(l.name), connect, marks)
	}
	// Adding data widens axes beyond what a logarithmic one may show.
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = xRange[0], xRange[1], yRange[0], yRange[1]
	return f, nil
}
