package figure

import (
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"

	"zombench/results/stats"
)

// A Line is what was measured in one way at several numbers.
type Line struct {
	Name   string
	Points []Point // by ascending X
}

// A Point is the median of the trials at one number: zombies in the army, or what
// else a parameter counts.
type Point struct {
	X float64
	stats.Cell
}

// drawable reports whether a logarithmic scale has the point.
func (p Point) drawable() bool { return p.X > 0 && p.Center > 0 && stats.Finite(p.Center) }

// ends are the ends of the interval that can be drawn.
func (p Point) ends() (lo, hi float64) {
	if !stats.Finite(p.Lo, p.Hi) || p.Lo <= 0 {
		return p.Center, p.Center
	}
	return p.Lo, p.Hi
}

// Times draws how long the creation of a zombie took. Nil if that was not
// measured.
func Times(all []Line, machinesDiffer bool) *Figure {
	note := ""
	if machinesDiffer {
		note = " The machines differ: compare within one only."
	}
	return medians(all, NameTimes, "Creation time against count", count, "creation time per zombie", "sec/zombie",
		"Medians with their 95 % intervals, from the first spawn to the last death, over the army's size."+note)
}

// Growth draws how a unit grows with a number among the parameters. Nil if there
// is nothing to draw.
func Growth(all []Line, over, unit, what, meaning string) *Figure {
	return medians(all, NameGrowth, what+" against "+over, over, what, unit,
		"Medians with their 95 % intervals over "+over+". "+what+": "+meaning+".")
}

// count is the parameter of the army's size.
const count = "count"

// medians draws lines through medians with their intervals, both axes
// logarithmic.
func medians(all []Line, name, title, over, what, unit, caption string) *Figure {
	var some []Line
	for _, l := range all {
		l.Points = slices.DeleteFunc(slices.Clone(l.Points), func(p Point) bool { return !p.drawable() })
		if len(l.Points) > 0 {
			some = append(some, l)
		}
	}
	some, omitted := firstOf(some, maxSeries)
	if len(some) == 0 {
		return nil
	}
	return &Figure{Name: name, Title: title, Caption: caption + omitted,
		draw: func() *drawing { return drawMedians(some, over, what, unit) }}
}

func drawMedians(all []Line, over, what, unit string) *drawing {
	var counts []float64
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, l := range all {
		for _, t := range l.Points {
			lo, hi := t.ends()
			counts = append(counts, t.X)
			loX, hiX, loY, hiY = min(loX, t.X), max(hiX, t.X), min(loY, lo), max(hiY, hi)
		}
	}
	q := stats.NewQuantity(unit, loY)
	if over == count {
		over = "zombies in the army"
	}
	p := newPlot(over, unitLabel(what, q))
	logRange(&p.X, loX, hiX)
	p.X.Tick.Marker = countTicks(counts, p.X.Tick.Marker)
	logRange(&p.Y, loY/q.Factor(), hiY/q.Factor())
	p.addGrid()
	xRange, yRange := [2]float64{p.X.Min, p.X.Max}, [2]float64{p.Y.Min, p.Y.Max}
	for i, l := range all {
		var xys plotter.XYs
		var errs plotter.YErrors
		for _, t := range l.Points {
			lo, hi := t.ends()
			xys = append(xys, plotter.XY{X: t.X, Y: t.Center / q.Factor()})
			errs = append(errs, struct{ Low, High float64 }{(t.Center - lo) / q.Factor(), (hi - t.Center) / q.Factor()})
		}
		connect := p.line(xys, lineStyle(i))
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{xys, errs})
		if p.failed(err) {
			break
		}
		bars.Color, bars.Width, bars.CapWidth = palette[i%len(palette)], 1, 5
		p.Add(bars)
		p.legend.add(l.Name, connect, p.scatter(xys, glyphStyle(i)))
	}
	// Adding data widens axes beyond what a logarithmic one may show.
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = xRange[0], xRange[1], yRange[0], yRange[1]
	return p
}
