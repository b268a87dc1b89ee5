package figure

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"zombench/results/stats"
)

// A Series is what is drawn in one colour: what each army of one system added
// to one instrument.
type Series struct {
	Name string
	X, Y []float64 // zombies, bytes
	Fit  stats.Estimate
}

// Memory draws memory against count: every trial, the line fitted, and the band
// of all lines whose slopes lie in its 95 % interval. Nil if there is nothing.
func Memory(all []Series) *Figure {
	all, omitted := firstOf(slices.DeleteFunc(slices.Clone(all), func(s Series) bool { return !stats.Finite(s.Y...) }), maxSeries)
	if len(all) == 0 {
		return nil
	}
	return &Figure{Name: NameMemory, Title: "Memory against count",
		Caption: "Each mark is one trial. Lines are Theil-Sen fits; the bands, often too narrow to be seen, hold the lines whose slope lies in the 95 % interval." + omitted,
		draw:    func() *drawing { return drawMemory(all) }}
}

func drawMemory(all []Series) *drawing {
	var largest, most float64
	for _, s := range all {
		largest, most = max(largest, slices.Max(s.X)), max(most, slices.Max(s.Y))
	}
	q := stats.NewQuantity("B", most)
	p := newPlot("zombies in the army", unitLabel("kernel memory", q))
	p.addGrid()
	p.X.Min, p.X.Max = 0, largest*1.03
	p.Y.Min = 0
	for i, s := range all {
		thumbs := s.addFit(p, i, q)
		x, y := thin(s.X, s.Y)
		thumbs = append(thumbs, p.scatter(points(x, y, q), glyphStyle(i)))
		p.legend.add(s.Name+", "+stats.NewQuantity("B", s.Fit.PerZombie).Format(s.Fit.PerZombie)+" a zombie", thumbs...)
	}
	p.Y.Min = min(0, p.Y.Min)
	return p
}

// addFit draws the line and its band, if there is a line. It ends with the
// largest army, for it says nothing of larger ones.
func (s Series) addFit(p *drawing, i int, q stats.Quantity) []plot.Thumbnailer {
	if s.Fit.OneCount {
		return nil
	}
	style, end := lineStyle(i), slices.Max(s.X)*1.03
	if stats.Finite(s.Fit.Lo, s.Fit.Hi) {
		band, err := plotter.NewPolygon(s.band(end, q))
		if p.failed(err) {
			return nil
		}
		band.Color, band.LineStyle.Width = translucent(style.Color, 0x38), 0
		p.Add(band)
	}
	ends := []float64{s.Fit.Intercept, s.Fit.Intercept + s.Fit.PerZombie*end}
	return []plot.Thumbnailer{p.line(points([]float64{0, end}, ends, q), style)}
}

// band is the outline of the lines from the lowest to the highest slope, each
// through the middle of the points as the fit itself.
func (s Series) band(end float64, q stats.Quantity) plotter.XYs {
	const steps = 60
	e := s.Fit
	lo, hi := stats.MedianIntercept(s.X, s.Y, e.Lo), stats.MedianIntercept(s.X, s.Y, e.Hi)
	var upper, lower plotter.XYs
	for i := range steps + 1 {
		x := end * float64(i) / steps
		a, b, c := lo+e.Lo*x, e.Intercept+e.PerZombie*x, hi+e.Hi*x
		upper = append(upper, plotter.XY{X: x, Y: max(a, b, c) / q.Factor()})
		lower = append(lower, plotter.XY{X: x, Y: min(a, b, c) / q.Factor()})
	}
	slices.Reverse(lower)
	return append(upper, lower...)
}

// Residuals draws how far every trial lies from its line. Nil if there is none.
func Residuals(all []Series) *Figure {
	all, omitted := firstOf(slices.DeleteFunc(slices.Clone(all), func(s Series) bool { return s.Fit.OneCount || !stats.Finite(s.Y...) }), maxSeries)
	if len(all) == 0 {
		return nil
	}
	return &Figure{Name: NameResiduals, Title: "Residuals",
		Caption: "How far each trial lies above or below its line. A bend, or a spread that grows with the count, would say that a straight line is the wrong model. Marks of different series stand a little apart." + omitted,
		draw:    func() *drawing { return drawResiduals(all) }}
}

func drawResiduals(all []Series) *drawing {
	smallest, largest, most := math.Inf(1), 0.0, 0.0
	var counts []float64
	residuals := make([][]float64, len(all))
	for i, s := range all {
		counts = append(counts, s.X...)
		smallest, largest = min(smallest, slices.Min(s.X)), max(largest, slices.Max(s.X))
		for j := range s.X {
			d := s.Y[j] - s.Fit.Intercept - s.Fit.PerZombie*s.X[j]
			residuals[i] = append(residuals[i], d)
			most = max(most, d, -d)
		}
	}
	q := stats.NewQuantity("B", most)
	p := newPlot("zombies in the army", unitLabel("distance from the fitted line", q))
	logRange(&p.X, smallest, largest)
	p.X.Tick.Marker = countTicks(counts, p.X.Tick.Marker)
	from, to := p.X.Min, p.X.Max
	p.addGrid()
	p.line(plotter.XYs{{X: from, Y: 0}, {X: to, Y: 0}}, draw.LineStyle{Color: ink, Width: 0.7})
	for i, s := range all {
		x, y := thin(s.X, residuals[i])
		for j := range x {
			x[j] *= math.Pow(to/from, (float64(i)-float64(len(all)-1)/2)*0.012)
		}
		p.legend.add(s.Name, p.scatter(points(x, y, q), glyphStyle(i)))
	}
	p.X.Min, p.X.Max = from, to
	return p
}

// maxPoints is how many points of a series are drawn.
const maxPoints = 300

// thin leaves so many points that a picture of them stays small: each k-th by x
// and y, which keeps their spread.
func thin(x, y []float64) (thinX, thinY []float64) {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(y[a], y[b])) })
	k := (len(order) + maxPoints - 1) / maxPoints
	for i := 0; i < len(order); i += k {
		thinX, thinY = append(thinX, x[order[i]]), append(thinY, y[order[i]])
	}
	return thinX, thinY
}
