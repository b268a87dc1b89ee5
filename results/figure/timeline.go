package figure

import (
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Release is what a zombie takes on one of the releases of a kernel.
type Release struct {
	Name           string
	Charged, Pages float64 // bytes; 0 if that is not known
	Changed        bool    // the charge is another one than before
}

// Timeline draws how a zombie grew from release to release. Nil if there are too few.
func Timeline(title string, all []Release) *Figure {
	if len(all) < 3 {
		return nil
	}
	return &Figure{Name: NameTimeline, Title: title,
		Caption: "Bytes a zombie on each release, oldest first: kernel memory charged to its cgroup, and the slab pages that this takes. " +
			"Dashed: releases from which on the charge is another one (PELT over the trials).",
		draw: func() *drawing { return drawTimeline(all) }}
}

func drawTimeline(all []Release) *drawing {
	p := newPlot("", "bytes a zombie (B)")
	lo, hi := math.Inf(1), 0.0
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
		for _, v := range []float64{r.Charged, r.Pages} {
			if v > 0 {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	margin := (hi-lo)/10 + 1
	lo, hi = lo-margin, hi+margin
	changes := &plotter.Line{LineStyle: draw.LineStyle{Color: faint, Width: 1, Dashes: []vg.Length{3, 3}}}
	for i, r := range all {
		if r.Changed {
			line := *changes
			line.XYs = plotter.XYs{{X: float64(i) - 0.5, Y: lo}, {X: float64(i) - 0.5, Y: hi}}
			p.Add(&line)
		}
	}
	for i, one := range []struct {
		name string
		of   func(Release) float64
	}{
		{"slab pages", func(r Release) float64 { return r.Pages }},
		{"charged", func(r Release) float64 { return r.Charged }},
	} {
		var xys plotter.XYs
		for x, r := range all {
			if v := one.of(r); v > 0 {
				xys = append(xys, plotter.XY{X: float64(x), Y: v})
			}
		}
		if len(xys) == 0 {
			continue
		}
		line := p.line(xys, lineStyle(i))
		line.StepStyle = plotter.MidStep
		p.legend.add(one.name, line, p.scatter(xys, glyphStyle(i)))
	}
	p.legend.add("the charge changes", changes)
	p.NominalX(names...)
	p.X.Tick.Label.Rotation = math.Pi / 4
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.7, float64(len(all))-0.3, lo, hi
	return p
}
