package figure

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"zombench/results/stats"
)

// A Line is the creation times of one system, raised so many at a time.
type Line struct {
	Name   string
	Points []Time // by ascending count
}

// A Time is the median creation time of a zombie in armies of one size.
type Time struct {
	Count float64
	stats.Cell
}

func (t Time) drawable() bool { return t.Center > 0 && stats.Finite(t.Center) }

// ends are the ends of the interval that can be drawn.
func (t Time) ends() (lo, hi float64) {
	if !stats.Finite(t.Lo, t.Hi) || t.Lo <= 0 {
		return t.Center, t.Center
	}
	return t.Lo, t.Hi
}

// Times draws how long the creation of a zombie took: medians and their
// intervals, both axes logarithmic. Nil if that was not measured.
func Times(all []Line, machinesDiffer bool) *Figure {
	var some []Line
	for _, l := range all {
		l.Points = slices.DeleteFunc(slices.Clone(l.Points), func(t Time) bool { return !t.drawable() })
		if len(l.Points) > 0 {
			some = append(some, l)
		}
	}
	some, omitted := firstOf(some, maxSeries)
	if len(some) == 0 {
		return nil
	}
	note := ""
	if machinesDiffer {
		note = " The machines differ: compare within one only."
	}
	return &Figure{Name: NameTimes, Title: "Creation time against count",
		Caption: "Medians with their 95 % intervals, from the first spawn to the last death, over the army's size." + note + omitted,
		draw:    func() (*plot.Plot, legend, error) { return drawTimes(some) }}
}

func drawTimes(all []Line) (*plot.Plot, legend, error) {
	var counts []float64
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, l := range all {
		for _, t := range l.Points {
			lo, hi := t.ends()
			counts = append(counts, t.Count)
			loX, hiX, loY, hiY = min(loX, t.Count), max(hiX, t.Count), min(loY, lo), max(hiY, hi)
		}
	}
	q := stats.NewQuantity("sec/zombie", loY)
	p := newPlot("zombies in the army", unitLabel("creation time per zombie", q))
	logRange(&p.X, loX, hiX)
	p.X.Tick.Marker = countTicks(counts, p.X.Tick.Marker)
	logRange(&p.Y, loY/q.Factor(), hiY/q.Factor())
	addGrid(p)
	xRange, yRange := [2]float64{p.X.Min, p.X.Max}, [2]float64{p.Y.Min, p.Y.Max}
	var legend legend
	for i, l := range all {
		var xys plotter.XYs
		var errs plotter.YErrors
		var x, y []float64
		for _, t := range l.Points {
			lo, hi := t.ends()
			x, y = append(x, t.Count), append(y, t.Center)
			xys = append(xys, plotter.XY{X: t.Count, Y: t.Center / q.Factor()})
			errs = append(errs, struct{ Low, High float64 }{(t.Center - lo) / q.Factor(), (hi - t.Center) / q.Factor()})
		}
		connect, err := plotter.NewLine(xys)
		if err != nil {
			return nil, nil, err
		}
		connect.LineStyle = lineStyle(i)
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{xys, errs})
		if err != nil {
			return nil, nil, err
		}
		bars.Color, bars.Width, bars.CapWidth = palette[i%len(palette)], 1, 5
		marks, err := scatter(i, x, y, q)
		if err != nil {
			return nil, nil, err
		}
		p.Add(connect, bars, marks)
		legend.add(l.Name, connect, marks)
	}
	// Adding data widens axes beyond what a logarithmic one may show.
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = xRange[0], xRange[1], yRange[0], yRange[1]
	return p, legend, nil
}
