// Package figure draws the pictures of reports, by gonum's plot.
//
// In flow numbers with names: series of points with the line fitted to them,
// bars, medians of times. Out flow SVG and PNG files, and pictures for a page, which
// dresses them. What the numbers mean, and which of them are to be shown, is
// package report's to know.
package figure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is one picture. It is drawn when it is written, and not before.
type Figure struct {
	Name    string // one of Names
	Title   string
	Caption string // what it shows, and how to read it
	draw    func() *drawing
}

// The figures there are.
const (
	NameMemory    = "memory"    // memory against count, with fitted lines
	NameBars      = "bars"      // bytes a zombie by system, by cache where that is known
	NameResiduals = "residuals" // distance of every trial from its line
	NameTimes     = "time"      // creation time against count
	NameTimeline  = "timeline"  // bytes a zombie by release
	NameGrowth    = "growth"    // what grows with another number, a figure for each unit
)

// Names are the names of all figures, in the order in which they are drawn.
func Names() []string {
	return []string{NameMemory, NameBars, NameResiduals, NameTimes, NameTimeline, NameGrowth}
}

// ErrNothing means that there is nothing to draw.
var ErrNothing = errors.New("nothing of what was measured can be drawn")

// The size of one figure without its legend.
const (
	figureWidth  = 6.6 * vg.Inch
	figureHeight = 4.2 * vg.Inch
	figureMargin = 0.15 * vg.Inch
)

// A picture is a figure that is drawn.
type picture struct {
	*drawing
	title string
}

func (f Figure) picture() (picture, error) {
	d := f.draw()
	if d.err != nil {
		return picture{}, fmt.Errorf("drawing %s: %w", f.Name, d.err)
	}
	return picture{d, f.Title}, nil
}

func (p picture) height() vg.Length { return figureHeight + p.legend.height() }

// onto draws the picture with its title.
func (p picture) onto(c draw.Canvas) {
	title := p.Title.TextStyle
	title.XAlign, title.YAlign = draw.XLeft, draw.YTop
	c.FillText(title, vg.Point{X: c.Min.X + figureMargin, Y: c.Max.Y - figureMargin}, p.title)
	p.bodyOnto(draw.Crop(c, 0, 0, 0, -title.Font.Size*1.6))
}

// bodyOnto draws legend and plot. The legend has room of its own, so that it
// hides nothing.
func (p picture) bodyOnto(c draw.Canvas) {
	c = draw.Crop(c, figureMargin, -figureMargin, figureMargin, -figureMargin)
	p.legend.draw(c)
	p.Draw(draw.Crop(c, 0, 0, 0, -p.legend.height()))
}

// WriteSVG draws figures into one SVG file, WritePNG into one PNG file, on white
// ground. ErrNothing if there are none.
func WriteSVG(w io.Writer, figures []Figure) error {
	s, err := newSheet(figures)
	if err != nil {
		return err
	}
	c := vgsvg.New(s.size.X, s.size.Y)
	s.draw(draw.New(c))
	return writeSVG(w, c)
}

// WritePNG is WriteSVG for PNG, at 144 dots an inch: mails and issue trackers show
// no SVG.
func WritePNG(w io.Writer, figures []Figure) error {
	s, err := newSheet(figures)
	if err != nil {
		return err
	}
	c := vgimg.NewWith(vgimg.UseWH(s.size.X, s.size.Y), vgimg.UseDPI(144))
	s.draw(draw.New(c))
	if _, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(w); err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	return nil
}

// SVG is the figure as an element of a page that has its title: on no ground, in
// black, which is drawn by saying nothing of the fill, so that a page can give it
// another colour.
func (f Figure) SVG() (string, error) {
	p, err := f.picture()
	if err != nil {
		return "", err
	}
	c := vgsvg.New(figureWidth, p.height())
	p.bodyOnto(draw.New(c))
	var b strings.Builder
	err = writeSVG(&b, c)
	return b.String(), err
}

// writeSVG writes the canvas within an element of ours, which names fonts that the
// reader's machine may have instead of the canvas's own; they are as wide.
func writeSVG(w io.Writer, c *vgsvg.Canvas) error {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	_, inner, _ := bytes.Cut(b.Bytes(), []byte("?>")) // an element has no prolog
	width, height := c.Size()
	const pixels = 4. / 3 // of CSS, a point
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%.0f" height="%.0f" viewBox="0 0 %[1]f %[2]f">
<style>text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important }</style>%[3]s</svg>
`, width.Points()*pixels, height.Points()*pixels, inner)
	if err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	return nil
}

// A sheet is pictures laid out in up to two columns.
type sheet struct {
	size     vg.Point
	pictures []picture
	cells    []vg.Rectangle
}

func newSheet(figures []Figure) (s sheet, err error) {
	if len(figures) == 0 {
		return sheet{}, ErrNothing
	}
	for _, f := range figures {
		p, err := f.picture()
		if err != nil {
			return sheet{}, err
		}
		s.pictures = append(s.pictures, p)
	}
	columns := min(2, len(figures))
	s.size.X = vg.Length(columns) * figureWidth
	for i := 0; i < len(figures); i += columns {
		row := s.pictures[i:min(i+columns, len(figures))]
		var height vg.Length
		for _, p := range row {
			height = max(height, p.height())
		}
		for j := range row {
			x := vg.Length(j) * figureWidth
			// From the top for now.
			s.cells = append(s.cells, vg.Rectangle{Min: vg.Point{X: x, Y: s.size.Y + height}, Max: vg.Point{X: x + figureWidth, Y: s.size.Y}})
		}
		s.size.Y += height
	}
	for i := range s.cells {
		s.cells[i].Min.Y, s.cells[i].Max.Y = s.size.Y-s.cells[i].Min.Y, s.size.Y-s.cells[i].Max.Y
	}
	return s, nil
}

func (s sheet) draw(c draw.Canvas) {
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	for i, p := range s.pictures {
		p.onto(draw.Canvas{Canvas: c.Canvas, Rectangle: s.cells[i]})
	}
}
