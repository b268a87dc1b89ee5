package results

import (
	"cmp"
	"fmt"
	"image/color"
	"maps"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"zombench/results/table"
)

// maxBars is how many systems one figure of bars shows.
const maxBars = 40

// What a bar is made of besides caches with names.
const (
	otherCaches  = "other caches"
	noLedgerPart = "not in the ledger"
	noLedger     = "charged (no ledger)"
)

// maxCaches is how many caches have a colour of their own.
const maxCaches = 6

// A bar is what a zombie holds on one system.
type bar struct {
	name   string
	charge Estimate           // the bar's length: of slab, if isSlab
	isSlab bool               // nothing is known of what was charged
	slab   *Estimate          // nil if there is none to trust
	caches map[string]float64 // bytes by slab cache, from a ledger
}

// end is where the bar and its marks end.
func (b bar) end() float64 {
	end := b.charge.PerZombie
	if b.slab != nil {
		end = max(end, b.slab.PerZombie)
		if finite(b.slab.Hi) {
			end = max(end, b.slab.Hi)
		}
	}
	return end
}

// barsFigure draws the bytes a zombie holds on each system: what was charged, in
// parts by slab cache where a ledger says so, and with a mark for kernel slab.
func (r Report) barsFigure() (*Figure, error) {
	var all []bar
	for i, s := range r.Summaries {
		b := bar{name: r.groupName(i)}
		slab, hasSlab := s.Estimate(s.SlabUnit)
		charge, hasCharge := s.Estimate(UnitKmem)
		hasSlab = hasSlab && slab.Stands() && finite(slab.PerZombie)
		hasCharge = hasCharge && charge.Stands() && finite(charge.PerZombie)
		switch {
		case hasCharge:
			b.charge = charge
			if hasSlab && !s.slabHidden() {
				b.slab = &slab
			}
		case hasSlab:
			b.charge, b.isSlab = slab, true
		default:
			continue
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, nil
	}
	left := ""
	if len(all) > maxBars {
		left = fmt.Sprintf(" The first %d of %d are drawn; a filter chooses others.", maxBars, len(all))
		all = all[:maxBars]
	}
	slices.Reverse(all) // the axis grows upwards

	p := newPlot("bytes a zombie (B)", "")
	p.X.Min = 0
	f := &Figure{Title: "What one zombie holds", plot: p,
		Caption: "Bars: kernel memory charged to the army's cgroup." + left}
	width := vg.Length(min(22, 210/float64(len(all))))
	total := make(map[string]float64)
	for _, b := range all {
		for cache, bytes := range b.caches {
			total[cache] += bytes
		}
	}
	order := slices.SortedFunc(maps.Keys(total), func(a, b string) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	stack := slices.Clone(order[:min(maxCaches, len(order))])
	var stacked bool
	values := func(part string) plotter.Values {
		v := make(plotter.Values, len(all))
		for i, b := range all {
			switch {
			case len(b.caches) == 0:
				if part == noLedger {
					v[i] = b.charge.PerZombie
				}
			case part == otherCaches:
				for _, cache := range order[len(order[:min(maxCaches, len(order))]):] {
					v[i] += b.caches[cache]
				}
			case part == noLedgerPart:
				v[i] = b.charge.PerZombie
				for _, bytes := range b.caches {
					v[i] -= bytes
				}
				v[i] = max(0, v[i])
			case part == noLedger:
			default:
				v[i] = b.caches[part]
			}
		}
		return v
	}
	if len(order) > 0 {
		stacked = true
		f.Caption = "Bars: kernel memory charged to the army's cgroup, by the slab cache that it lies in." + left
		stack = append(stack, otherCaches, noLedgerPart)
	}
	stack = append(stack, noLedger)
	farthest := 0.0
	for _, b := range all {
		farthest = max(farthest, b.end())
	}
	var below *plotter.BarChart
	inside := make(plotter.XYs, 0)
	var insideNames []string
	var insideInks []color.Color
	reached := make([]float64, len(all))
	for i, part := range stack {
		v := values(part)
		if !slices.ContainsFunc(v, func(x float64) bool { return x >= 0.5 }) {
			continue
		}
		chart, err := plotter.NewBarChart(v, width)
		if err != nil {
			return nil, err
		}
		chart.Horizontal = true
		chart.LineStyle.Width, chart.LineStyle.Color = 0.8, white
		if chart.Color = unnamed[part]; chart.Color == nil {
			chart.Color = parts[i]
		}
		for i := range v {
			// About what fits: letters are half as wide as high.
			room := v[i] / (farthest * 1.3) * float64(figureWidth) * 0.7
			if stacked && width >= 12 && room > 5*float64(len(part)) {
				inside = append(inside, plotter.XY{X: reached[i] + v[i]/2, Y: float64(i)})
				insideNames = append(insideNames, table.Printable(part))
				insideInks = append(insideInks, inkOn(chart.Color))
			}
			reached[i] += v[i]
		}
		if below != nil {
			chart.StackOn(below)
		}
		below = chart
		p.Add(chart)
		if stacked {
			f.legend.add(table.Printable(part), chart)
		}
	}
	var names []string
	var slabs plotter.XYs
	var ranges plotter.XErrors
	numbers := plotter.XYLabels{}
	for i, b := range all {
		names = append(names, b.name)
		if b.slab != nil {
			slabs = append(slabs, plotter.XY{X: b.slab.PerZombie, Y: float64(i)})
			lo, hi := b.slab.PerZombie, b.slab.PerZombie
			if finite(b.slab.Lo, b.slab.Hi) {
				lo, hi = b.slab.Lo, b.slab.Hi
			}
			ranges = append(ranges, struct{ Low, High float64 }{b.slab.PerZombie - lo, hi - b.slab.PerZombie})
		}
		numbers.XYs = append(numbers.XYs, plotter.XY{X: b.end(), Y: float64(i)})
		text := fmt.Sprintf("%.0f", b.charge.PerZombie)
		if b.isSlab {
			text += " (slab)"
		}
		if b.slab != nil {
			text += fmt.Sprintf(" / %.0f", b.slab.PerZombie)
		}
		numbers.Labels = append(numbers.Labels, text)
	}
	if len(slabs) > 0 {
		marks, err := plotter.NewScatter(slabs)
		if err != nil {
			return nil, err
		}
		marks.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: 3.5, Shape: draw.RingGlyph{}}
		// An interval that the ring would hide is not drawn.
		if slices.ContainsFunc(ranges, func(r struct{ Low, High float64 }) bool { return max(r.Low, r.High) > farthest/60 }) {
			bars, err := plotter.NewXErrorBars(struct {
				plotter.XYs
				plotter.XErrors
			}{slabs, ranges})
			if err != nil {
				return nil, err
			}
			bars.Color, bars.Width, bars.CapWidth = ink, 1, 6
			p.Add(bars)
		}
		p.Add(marks)
		f.legend.add("kernel slab (second number)", marks)
		f.Caption += " Rings: kernel slab by the slope of /proc/meminfo, with its 95 % interval."
	}
	labels, err := plotter.NewLabels(numbers)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = p.X.Tick.Label.Font
		labels.TextStyle[i].YAlign = draw.YCenter
	}
	labels.Offset = vg.Point{X: 7}
	p.Add(labels)
	if len(inside) > 0 {
		labels, err := plotter.NewLabels(plotter.XYLabels{XYs: inside, Labels: insideNames})
		if err != nil {
			return nil, err
		}
		for i := range labels.TextStyle {
			labels.TextStyle[i].Font = p.X.Tick.Label.Font
			labels.TextStyle[i].Font.Size = 9
			labels.TextStyle[i].XAlign, labels.TextStyle[i].YAlign = draw.XCenter, draw.YCenter
			labels.TextStyle[i].Color = insideInks[i]
		}
		p.Add(labels)
	}
	p.NominalY(names...)
	p.Y.Tick.Length = 0
	p.X.Min, p.X.Max = 0, farthest*1.3
	p.Y.Min, p.Y.Max = -0.7, float64(len(all))-0.3
	return f, nil
}
