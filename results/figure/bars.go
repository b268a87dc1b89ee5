package figure

import (
	"cmp"
	"fmt"
	"image/color"
	"maps"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"zombench/results/stats"
)

// maxBars is how many systems one figure shows.
const maxBars = 40

// A Bar is what a zombie holds on one system.
type Bar struct {
	Name  string
	Bytes float64         // the bar's length
	Slab  bool            // Bytes are of kernel slab: nothing is known of what was charged
	Mark  *stats.Estimate // kernel slab beside what was charged; nil if there is none to trust
	Parts []Part          // of Bytes; empty if that is not known
}

// A Part is the bytes of a zombie in one slab cache.
type Part struct {
	Name  string
	Bytes float64
}

// end is where the bar and its marks end.
func (b Bar) end() float64 {
	end := b.Bytes
	if b.Mark != nil {
		end = max(end, b.Mark.PerZombie)
		if stats.Finite(b.Mark.Hi) {
			end = max(end, b.Mark.Hi)
		}
	}
	return end
}

// number is what is written behind the bar.
func (b Bar) number() string {
	text := fmt.Sprintf("%.0f", b.Bytes)
	if b.Slab {
		text += " (slab)"
	}
	if b.Mark != nil {
		text += fmt.Sprintf(" / %.0f", b.Mark.PerZombie)
	}
	return text
}

// Bars draws the bytes a zombie holds on each system. Nil if there is none.
func Bars(all []Bar) *Figure {
	all, omitted := firstOf(all, maxBars)
	if len(all) == 0 {
		return nil
	}
	caption := "Bars: kernel memory charged to the army's cgroup."
	if slices.ContainsFunc(all, func(b Bar) bool { return len(b.Parts) > 0 }) {
		caption = "Bars: kernel memory charged to the army's cgroup, by the slab cache that it lies in."
	}
	caption += omitted
	if slices.ContainsFunc(all, func(b Bar) bool { return b.Mark != nil }) {
		caption += " Rings: kernel slab by the slope of /proc/meminfo, with its 95 % interval."
	}
	return &Figure{Name: NameBars, Title: "What one zombie holds", Caption: caption,
		draw: func() *drawing { return drawBars(all) }}
}

func drawBars(all []Bar) *drawing {
	all = slices.Clone(all)
	slices.Reverse(all) // the axis grows upwards
	c := chart{drawing: newPlot("bytes a zombie (B)", ""), bars: all, width: vg.Length(min(22, 210/float64(len(all))))}
	var names []string
	for _, b := range all {
		c.farthest = max(c.farthest, b.end())
		names = append(names, b.Name)
	}
	c.drawLayers()
	c.drawMarks()
	c.drawNumbers()
	c.NominalY(names...)
	c.Y.Tick.Length = 0
	c.X.Min, c.X.Max = 0, c.farthest*1.3
	c.Y.Min, c.Y.Max = -0.7, float64(len(all))-0.3
	return c.drawing
}

// A chart is bars that are being drawn.
type chart struct {
	*drawing
	bars     []Bar
	width    vg.Length // of a bar
	farthest float64   // where the longest ends
}

// A layer is the part of one name in all bars.
type layer struct {
	name   string
	color  color.Color
	values plotter.Values // of each bar
}

// layers splits the bars into the largest parts, the other caches, what no cache
// explains, and the bars of which no parts are known.
func (c *chart) layers() []layer {
	total := make(map[string]float64)
	for _, b := range c.bars {
		for _, p := range b.Parts {
			total[p.Name] += p.Bytes
		}
	}
	order := slices.SortedFunc(maps.Keys(total), func(a, b string) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	var layers []layer
	for i, name := range order[:min(maxParts, len(order))] {
		layers = append(layers, layer{name, parts[i], make(plotter.Values, len(c.bars))})
	}
	named := len(layers)
	for _, rest := range []struct {
		name  string
		color color.Color
	}{{"other caches", rgb(0xD0D0D0)}, {"in no cache", rgb(0x9A9A9A)}, {"charged (caches not read)", palette[0]}} {
		layers = append(layers, layer{rest.name, rest.color, make(plotter.Values, len(c.bars))})
	}
	for i, b := range c.bars {
		if len(b.Parts) == 0 {
			layers[named+2].values[i] = b.Bytes
			continue
		}
		left := b.Bytes
		for _, p := range b.Parts {
			at := slices.Index(order, p.Name)
			layers[min(at, named)].values[i] += p.Bytes
			left -= p.Bytes
		}
		layers[named+1].values[i] = max(0, left)
	}
	return slices.DeleteFunc(layers, func(l layer) bool { return slices.Max(l.values) < 0.5 })
}

// drawLayers stacks the layers.
func (c *chart) drawLayers() {
	layers := c.layers()
	var below *plotter.BarChart
	for _, l := range layers {
		bars, err := plotter.NewBarChart(l.values, c.width)
		if c.failed(err) {
			return
		}
		bars.Horizontal, bars.Color = true, l.color
		bars.LineStyle.Width, bars.LineStyle.Color = 0.8, white
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		c.Add(bars)
		if len(layers) > 1 {
			c.legend.add(l.name, bars)
		}
	}
}

// drawMarks draws a ring for kernel slab, and its interval unless the ring would
// hide it.
func (c *chart) drawMarks() {
	var slabs plotter.XYs
	var ranges plotter.XErrors
	seen := false
	for i, b := range c.bars {
		if b.Mark == nil {
			continue
		}
		at, lo, hi := b.Mark.PerZombie, b.Mark.Lo, b.Mark.Hi
		if !stats.Finite(lo, hi) {
			lo, hi = at, at
		}
		slabs = append(slabs, plotter.XY{X: at, Y: float64(i)})
		ranges = append(ranges, struct{ Low, High float64 }{at - lo, hi - at})
		seen = seen || max(at-lo, hi-at) > c.farthest/60
	}
	if len(slabs) == 0 {
		return
	}
	if seen {
		bars, err := plotter.NewXErrorBars(struct {
			plotter.XYs
			plotter.XErrors
		}{slabs, ranges})
		if c.failed(err) {
			return
		}
		bars.Color, bars.Width, bars.CapWidth = ink, 1, 6
		c.Add(bars)
	}
	c.legend.add("kernel slab (second number)", c.scatter(slabs, draw.GlyphStyle{Color: ink, Radius: 3.5, Shape: draw.RingGlyph{}}))
}

func (c *chart) drawNumbers() {
	var numbers plotter.XYLabels
	for i, b := range c.bars {
		numbers.XYs = append(numbers.XYs, plotter.XY{X: b.end(), Y: float64(i)})
		numbers.Labels = append(numbers.Labels, b.number())
	}
	labels, err := plotter.NewLabels(numbers)
	if c.failed(err) {
		return
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = c.X.Tick.Label.Font
		labels.TextStyle[i].YAlign = draw.YCenter
	}
	labels.Offset = vg.Point{X: 7}
	c.Add(labels)
}
