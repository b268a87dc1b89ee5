package results

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"zombench/results/table"
)

// A Figure is one picture of a report.
type Figure struct {
	Name    string // one of FigureNames
	Title   string
	Caption string // what it shows, and how to read it

	plot   *plot.Plot
	legend legend
}

// The figures there are.
const (
	FigureMemory    = "memory"    // memory against count, with fitted lines
	FigureBars      = "bars"      // bytes a zombie by kernel, by cache where a ledger is known
	FigureResiduals = "residuals" // distance of every trial from its line
	FigureTime      = "time"      // creation time against count
)

// FigureNames are the names of all figures, in the order in which they are drawn.
func FigureNames() []string {
	return []string{FigureMemory, FigureBars, FigureResiduals, FigureTime}
}

// ErrNoFigure means that what was measured cannot be drawn.
var ErrNoFigure = fmt.Errorf("nothing of what was measured can be drawn")

// Figures gives the figures of these names, or all for none. Those that there
// are no numbers for are left out.
func (r Report) Figures(names []string) ([]Figure, error) {
	if len(names) == 0 {
		names = FigureNames()
	}
	var figures []Figure
	for _, name := range names {
		var f *Figure
		var err error
		switch name {
		case FigureMemory:
			f, err = r.memoryFigure()
		case FigureBars:
			f, err = r.barsFigure()
		case FigureResiduals:
			f, err = r.residualsFigure()
		case FigureTime:
			f, err = r.timeFigure()
		default:
			err = fmt.Errorf("unknown figure %q: want %s", name, strings.Join(FigureNames(), ", "))
		}
		if err != nil {
			return nil, fmt.Errorf("draw: %w", err)
		}
		if f != nil {
			f.Name = name
			figures = append(figures, *f)
		}
	}
	return figures, nil
}

// The size of one figure without its legend.
const (
	figureWidth  = 6.6 * vg.Inch
	figureHeight = 4.2 * vg.Inch
	figureMargin = 0.15 * vg.Inch
)

func (f Figure) size() (w, h vg.Length) {
	return figureWidth, figureHeight + f.legend.height()
}

// draw draws the figure with its title.
func (f Figure) draw(c draw.Canvas) {
	title := f.plot.Title.TextStyle
	title.XAlign, title.YAlign = draw.XLeft, draw.YTop
	c.FillText(title, vg.Point{X: c.Min.X + figureMargin, Y: c.Max.Y - figureMargin}, f.Title)
	f.drawBody(draw.Crop(c, 0, 0, 0, -title.Font.Size*1.6))
}

// drawBody draws legend and plot. The legend has room of its own, so that it
// hides nothing.
func (f Figure) drawBody(c draw.Canvas) {
	c = draw.Crop(c, figureMargin, -figureMargin, figureMargin, -figureMargin)
	f.legend.draw(c)
	f.plot.Draw(draw.Crop(c, 0, 0, 0, -f.legend.height()))
}

// WriteSVG draws figures into one SVG file, WritePNG into one PNG file, on white
// ground. ErrNoFigure if there are none.
func WriteSVG(w io.Writer, figures []Figure) error {
	size, cells, err := arrange(figures)
	if err != nil {
		return err
	}
	c := vgsvg.New(size.X, size.Y)
	drawAll(draw.New(c), figures, cells)
	svg, err := svgText(c)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, svg); err != nil {
		return fmt.Errorf("write figure: %w", err)
	}
	return nil
}

// WritePNG is WriteSVG for PNG, at 144 dots an inch.
func WritePNG(w io.Writer, figures []Figure) error {
	size, cells, err := arrange(figures)
	if err != nil {
		return err
	}
	c := vgimg.NewWith(vgimg.UseWH(size.X, size.Y), vgimg.UseDPI(144))
	drawAll(draw.New(c), figures, cells)
	if _, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(w); err != nil {
		return fmt.Errorf("write figure: %w", err)
	}
	return nil
}

// arrange lays figures out in up to two columns.
func arrange(figures []Figure) (size vg.Point, cells []vg.Rectangle, err error) {
	if len(figures) == 0 {
		return size, nil, ErrNoFigure
	}
	columns := min(2, len(figures))
	size.X = vg.Length(columns) * figureWidth
	for i := 0; i < len(figures); i += columns {
		var height vg.Length
		for _, f := range figures[i:min(i+columns, len(figures))] {
			_, h := f.size()
			height = max(height, h)
		}
		for j := range figures[i:min(i+columns, len(figures))] {
			x := vg.Length(j) * figureWidth
			// From the top for now.
			cells = append(cells, vg.Rectangle{Min: vg.Point{X: x, Y: size.Y + height}, Max: vg.Point{X: x + figureWidth, Y: size.Y}})
		}
		size.Y += height
	}
	for i := range cells {
		cells[i].Min.Y, cells[i].Max.Y = size.Y-cells[i].Min.Y, size.Y-cells[i].Max.Y
	}
	return size, cells, nil
}

func drawAll(c draw.Canvas, figures []Figure, cells []vg.Rectangle) {
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	for i, f := range figures {
		f.draw(draw.Canvas{Canvas: c.Canvas, Rectangle: cells[i]})
	}
}

var (
	svgProlog = regexp.MustCompile(`(?s)^.*?<svg `)
	svgFont   = regexp.MustCompile(`font-family:[^;"]*`)
)

// svgText is what c holds, in fonts that the reader's machine may have instead
// (they are as wide), and without the prolog.
func svgText(c *vgsvg.Canvas) (string, error) {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("write figure: %w", err)
	}
	svg := svgProlog.ReplaceAllString(b.String(), `<svg role="img" `)
	return svgFont.ReplaceAllString(svg, "font-family:'Liberation Sans',Arial,Helvetica,sans-serif"), nil
}

// inline draws the figure for a page, which has its title: on no ground, in the
// page's own ink.
func (f Figure) inline() (string, error) {
	w, h := f.size()
	c := vgsvg.New(w, h)
	f.drawBody(draw.New(c))
	svg, err := svgText(c)
	if err != nil {
		return "", err
	}
	// Black, which it draws ink in, is what vgsvg leaves out of fills.
	svg = strings.NewReplacer("stroke:#000000", "stroke:currentColor", "stroke:#FFFFFF", "stroke:var(--ground)").Replace(svg)
	return strings.Replace(svg, "<svg ", fmt.Sprintf(`<svg fill="currentColor" aria-label="%s" `, f.Title), 1), nil
}

// A series is what is drawn in one colour: a group's points in one instrument.
type series struct {
	name     string
	group    *group
	estimate Estimate
	x, y     []float64 // zombies, bytes
}

// maxSeries is how many series are told apart by colour and marker.
const maxSeries = 8

// series gives the points of each group, in the instrument that its sentence
// speaks of; of a single group, what was charged as well. left says what was
// left out.
func (r Report) series() (all []series, left string) {
	for i, g := range r.grouping.groups {
		s := r.Summaries[i]
		units := []string{cmp.Or(s.SlabUnit, UnitKmem)}
		if len(r.grouping.groups) == 1 && s.SlabUnit != "" {
			units = append(units, UnitKmem)
		}
		if s.slabHidden() {
			units = []string{UnitKmem}
		}
		for _, unit := range units {
			e, ok := s.Estimate(unit)
			if !ok {
				continue
			}
			one := series{group: g, name: r.groupName(i), estimate: e}
			if len(r.grouping.groups) == 1 {
				one.name = instrumentName(unit)
			} else if unit != UnitSUnreclaim && unit != UnitSlab {
				one.name += ", charged"
			}
			for _, row := range g.rows {
				x, y := points(unit, counting(row.trials))
				one.x, one.y = append(one.x, x...), append(one.y, y...)
			}
			all = append(all, one)
		}
	}
	if len(all) > maxSeries {
		left = fmt.Sprintf(" The first %d of %d are drawn; a filter chooses others.", maxSeries, len(all))
		all = all[:maxSeries]
	}
	return all, left
}

func instrumentName(unit string) string {
	switch unit {
	case UnitSlab:
		return "kernel slab (Slab)"
	case UnitSUnreclaim:
		return "kernel slab (SUnreclaim)"
	case UnitKmem:
		return "charged to the cgroup"
	}
	return heading(unit)
}

// groupName names a group among the others, by what tells them apart.
func (r Report) groupName(i int) string {
	g := r.grouping.groups[i]
	keys := telling(r.grouping.groups, r.grouping.varies)
	if !slices.Contains(keys, "kernel") {
		keys = append([]string{"kernel"}, keys...)
	}
	var parts []string
	for _, key := range keys {
		v := g.label(key)
		if v == "" || key == "goos" || key == "goarch" && strings.HasSuffix(g.label("kernel"), "-"+v) {
			continue // Debian's kernels have it in their names
		}
		parts = append(parts, v)
	}
	return table.Printable(cmp.Or(strings.Join(parts, " "), "kernel not recorded"))
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
	slices.SortFunc(order, func(a, b int) int { return cmpFloats(x[a], x[b], y[a], y[b]) })
	k := (len(order) + maxPoints - 1) / maxPoints
	for i := 0; i < len(order); i += k {
		thinX, thinY = append(thinX, x[order[i]]), append(thinY, y[order[i]])
	}
	return thinX, thinY
}

// finite tells whether all of the values can be drawn.
func finite(values ...float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e250 })
}
