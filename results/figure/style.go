package figure

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"zombench/results/stats"
)

// maxSeries is how many series are told apart by colour and marker, maxParts how
// many parts of a bar have a colour of their own.
const (
	maxSeries = 8
	maxParts  = 6
)

// firstOf returns the first items, and a sentence of what is left out.
func firstOf[T any](items []T, limit int) (first []T, omitted string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], fmt.Sprintf(" The first %d of %d are drawn; a filter chooses others.", limit, len(items))
}

// The colours of M. Okabe and K. Ito (Color Universal Design, 2008), which
// colour-blind people tell apart, less the two that are hard to see on white or
// on black, from dark to light so that greyscale keeps an order. Markers and
// dashes say the same once more.
var palette = []color.Color{
	rgb(0x0072B2), rgb(0xD55E00), rgb(0x009E73), rgb(0xCC79A7), rgb(0x56B4E9), rgb(0xE69F00), rgb(0x8C6BB1), rgb(0x7F7F7F),
}

// The parts of a bar go from dark to light, in colours after viridis (S. van der
// Walt and N. Smith, 2015), so that greyscale and every kind of sight keep their
// order; what no cache has is grey. A page on dark ground has the first two lighter:
// report/page.html.
var parts = []color.Color{rgb(0x46459C), rgb(0x33638D), rgb(0x21908C), rgb(0x35B779), rgb(0x8FD744), rgb(0xFDE725)}

var markers = []draw.GlyphDrawer{
	draw.CircleGlyph{}, bold{draw.TriangleGlyph{}}, bold{draw.SquareGlyph{}}, bold{draw.CrossGlyph{}},
	bold{draw.RingGlyph{}}, draw.PyramidGlyph{}, draw.BoxGlyph{}, bold{draw.PlusGlyph{}},
}

// A bold marker is drawn in lines of one point: plot draws it in half of one, which
// hides its colour.
type bold struct{ draw.GlyphDrawer }

func (b bold) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	b.GlyphDrawer.DrawGlyph(&draw.Canvas{Canvas: onePoint{c.Canvas}, Rectangle: c.Rectangle}, style, at)
}

type onePoint struct{ vg.Canvas }

func (c onePoint) SetLineWidth(vg.Length) { c.Canvas.SetLineWidth(1) }

var dashes = [][]vg.Length{
	nil, {6, 3}, {2, 2}, {8, 3, 2, 3}, {12, 3}, {4, 2, 1, 2, 1, 2}, {1, 3}, {10, 2, 2, 2, 2, 2},
}

var (
	white = color.White
	ink   = color.Black
	faint = rgb(0x9A9A9A)
)

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xFF}
}

func translucent(c color.Color, alpha uint8) color.Color {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	n.A = alpha
	return n
}

// setFont chooses a sans-serif font, which plot.New and plotter.NewLabels take
// from the package's default and from nowhere else.
var setFont = sync.OnceFunc(func() {
	plot.DefaultFont = plotfont.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
})

// A drawing is a plot in the making, with its legend. The first error is kept; what is
// finite makes none.
type drawing struct {
	*plot.Plot
	legend legend
	err    error
}

func (d *drawing) failed(err error) bool {
	d.err = cmp.Or(d.err, err)
	return err != nil
}

// newPlot is an empty plot in the style of all figures.
func newPlot(x, y string) *drawing {
	setFont()
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Title.TextStyle.Font.Size = 13
	p.Title.TextStyle.Font.Weight = font.WeightBold
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size = 11
		a.Label.Padding = 4
		a.Tick.Label.Font.Size = 10
		a.Tick.Length = 4
		a.Color, a.Tick.Color = ink, ink
		a.Tick.Marker = ticks{}
	}
	return &drawing{Plot: p}
}

// A legend stands above its plot, in as many columns as its names let it.
type legend []legendEntry

type legendEntry struct {
	name   string
	thumbs []plot.Thumbnailer
}

const (
	legendLine = vg.Length(15)
	legendGap  = vg.Length(6) // to the plot
)

func (l *legend) add(name string, thumbs ...plot.Thumbnailer) {
	*l = append(*l, legendEntry{name, thumbs})
}

func (l legend) columns() int {
	longest := 0
	for _, e := range l {
		longest = max(longest, utf8.RuneCountInString(e.name))
	}
	switch {
	case len(l) > 4 && longest <= 20:
		return 3
	case len(l) > 3 && longest <= 34:
		return 2
	}
	return 1
}

func (l legend) lines() int { return (len(l) + l.columns() - 1) / l.columns() }

func (l legend) height() vg.Length {
	if len(l) == 0 {
		return 0
	}
	return vg.Length(l.lines())*legendLine + legendGap
}

// draw draws the legend at the top of c.
func (l legend) draw(c draw.Canvas) {
	width := (c.Max.X - c.Min.X) / vg.Length(l.columns())
	for i := 0; i < len(l); i += l.lines() {
		column := plot.NewLegend()
		column.Left, column.Top = true, true
		column.TextStyle.Font.Size = 10
		column.Padding = legendLine - column.TextStyle.FontExtents().Height
		column.ThumbnailWidth = 26
		column.XOffs = vg.Length(i/l.lines()) * width
		for _, e := range l[i:min(i+l.lines(), len(l))] {
			column.Add(" "+e.name, e.thumbs...)
		}
		column.Draw(c)
	}
}

// addGrid draws faint lines at the marks of the axes.
func (d *drawing) addGrid() {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = translucent(faint, 0x50), translucent(faint, 0x50)
	g.Horizontal.Width, g.Vertical.Width = 0.5, 0.5
	d.Add(g)
}

// ticks are at round numbers, four to eight of them, all with labels.
type ticks struct{}

func (ticks) Ticks(lo, hi float64) []plot.Tick {
	if !stats.Finite(lo, hi) || hi <= lo {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/4)))
	for _, f := range []float64{5, 2} {
		if (hi-lo)/(step*f) >= 4 {
			step *= f
			break
		}
	}
	prec := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var all []plot.Tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi*(1+1e-12)+1e-12*step; i++ {
		v := i*step + 0 // no -0
		all = append(all, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', prec, 64)})
	}
	return all
}

// logTicks are at 1, 2 and 5 times the powers of ten.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	if !stats.Finite(lo, hi) || lo <= 0 || hi <= lo {
		return nil
	}
	if hi/lo < 3 {
		return ticks{}.Ticks(lo, hi)
	}
	var all []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for f := 1.0; f < 10; f++ {
			v := f * math.Pow(10, e)
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
				continue
			}
			t := plot.Tick{Value: v}
			// Everything has a label where little is shown.
			if narrow := hi/lo < 8; narrow || f == 1 || f == 2 || f == 5 {
				t.Label = strconv.FormatFloat(v, 'f', max(0, int(-e)), 64)
			}
			all = append(all, t)
		}
	}
	return all
}

// countTicks are at the sizes of the armies, if they are few.
func countTicks(counts []float64, otherwise plot.Ticker) plot.Ticker {
	counts = slices.Compact(slices.Sorted(slices.Values(counts)))
	if len(counts) > 8 {
		return otherwise
	}
	var all plot.ConstantTicks
	for _, n := range counts {
		all = append(all, plot.Tick{Value: n, Label: strconv.FormatFloat(n, 'f', 0, 64)})
	}
	return all
}

// logRange widens what lies between lo and hi a little, for a logarithmic axis.
func logRange(a *plot.Axis, lo, hi float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{}
	margin := math.Pow(hi/lo, 0.06)
	margin = max(margin, 1.15)
	a.Min, a.Max = lo/margin, hi*margin
}

// unitLabel is a label of an axis: what, in brackets the unit.
func unitLabel(what string, q stats.Quantity) string {
	if q.Unit() == "" {
		return what
	}
	return fmt.Sprintf("%s (%s)", what, q.Unit())
}

// lineStyle and glyphStyle are those of the i-th series.
func lineStyle(i int) draw.LineStyle {
	return draw.LineStyle{Color: palette[i%len(palette)], Width: 1.4, Dashes: dashes[i%len(dashes)]}
}

func glyphStyle(i int) draw.GlyphStyle {
	return draw.GlyphStyle{Color: palette[i%len(palette)], Radius: vg.Points(3), Shape: markers[i%len(markers)]}
}

// points are those that a quantity gives a scale.
func points(x, y []float64, q stats.Quantity) plotter.XYs {
	xys := make(plotter.XYs, len(x))
	for j := range x {
		xys[j] = plotter.XY{X: x[j], Y: y[j] / q.Factor()}
	}
	return xys
}

// line draws a line.
func (d *drawing) line(xys plotter.XYs, style draw.LineStyle) *plotter.Line {
	l, err := plotter.NewLine(xys)
	if d.failed(err) {
		return new(plotter.Line)
	}
	l.LineStyle = style
	d.Add(l)
	return l
}

// scatter draws marks.
func (d *drawing) scatter(xys plotter.XYs, style draw.GlyphStyle) *plotter.Scatter {
	s, err := plotter.NewScatter(xys)
	if d.failed(err) {
		return nil
	}
	s.GlyphStyle = style
	d.Add(s)
	return s
}
