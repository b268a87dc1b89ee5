package results

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// svgTexts returns what a reader reads in an SVG, and fails on what is none.
func svgTexts(t *testing.T, svg string) []string {
	t.Helper()
	var texts []string
	in := false
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatalf("%v in %.300s", err, svg)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			in = tok.Name.Local == "text"
			if !slices.Contains([]string{"svg", "g", "path", "text"}, tok.Name.Local) {
				t.Errorf("element %s", tok.Name.Local)
			}
		case xml.EndElement:
			in = false
		case xml.CharData:
			if in {
				texts = append(texts, string(tok))
			}
		}
	}
}

func drawSVG(t *testing.T, r Report, names ...string) []string {
	t.Helper()
	figures, err := r.Figures(names)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteSVG(&b, figures); err != nil {
		t.Fatal(err)
	}
	return svgTexts(t, b.String())
}

func TestFigures(t *testing.T) {
	three := report(t, loadLabs(t, labs()["two"]), Query{})
	one := report(t, loadLabs(t, labs()["usual"]), Query{})
	for _, tt := range []struct {
		r    Report
		name string
		want []string
	}{
		{three, FigureMemory, []string{"Memory against count", "kernel memory (MiB)", "zombies in the army", "0", "20", "1000",
			" 6.18.44 amd64 exec, 10.16 KiB a zombie", " 6.1.0 arm64 exec, 10.74 KiB a zombie", " 6.18.44 amd64 os-exec, 12.55 KiB a zombie"}},
		{one, FigureMemory, []string{" kernel slab (SUnreclaim), 10.16 KiB a zombie", " charged to the cgroup, 9.377 KiB a zombie"}},
		{three, FigureBars, []string{"bytes a zombie (B)", "6.1.0 arm64 exec", "8706 / 11000", " kernel slab (second number)"}},
		{three, FigureResiduals, []string{"distance from the fitted line (KiB)", " 6.1.0 arm64 exec", "500", "2000"}},
		{three, FigureTime, []string{"creation time per zombie (µs)", " 6.1.0 arm64 exec, 50 at a time", "500", "2000"}},
	} {
		texts := drawSVG(t, tt.r, tt.name)
		for _, want := range tt.want {
			if !slices.Contains(texts, want) {
				t.Errorf("%s: no %q among %q", tt.name, want, texts)
			}
		}
	}
	if all := drawSVG(t, one); !slices.Contains(all, "Residuals") || !slices.Contains(all, "What one zombie holds") {
		t.Errorf("not all are drawn: %q", all)
	}
	if _, err := one.Figures([]string{"pie"}); err == nil || !strings.Contains(err.Error(), "want memory, bars, residuals, time") {
		t.Error(err)
	}
}

// What was not measured is not drawn, and what is hidden is not claimed.
func TestFiguresLeaveOut(t *testing.T) {
	nothing := report(t, loadLabs(t, labs()["broken"]), Query{})
	figures, err := nothing.Figures(nil)
	if err != nil || len(figures) > 0 {
		t.Errorf("%d figures of nothing, %v", len(figures), err)
	}
	for _, err := range []error{WriteSVG(io.Discard, nil), WritePNG(io.Discard, nil), nothing.WriteTextFigure(io.Discard, 80)} {
		if !errors.Is(err, ErrNoFigure) {
			t.Error(err)
		}
	}
	if texts := drawSVG(t, report(t, loadLabs(t, labs()["hidden"]), Query{})); slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "slab") }) {
		t.Errorf("slab that was not measured: %q", texts)
	}
	var many []lab
	for i := range 12 {
		l := labs()["usual"][0]
		l.config = append([]Param{{"kernel", fmt.Sprintf("6.%d", i)}}, l.config[1:]...)
		many = append(many, l)
	}
	figures, err = report(t, loadLabs(t, many), Query{}).Figures(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := figures[0].Caption; !strings.Contains(c, "The first 8 of 12 are drawn") || len(figures[0].legend) != 8 {
		t.Error(c)
	}
}

// Names stay text, in files and in pages.
func TestHostileFigures(t *testing.T) {
	set := loadLabs(t, labs()["hostile"])
	texts := drawSVG(t, report(t, set, Query{}))
	if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "<script>alert(1)</script>") }) {
		t.Errorf("the name is lost: %q", texts)
	}
	var b strings.Builder
	if err := report(t, set, Query{}).Write(&b, HTML); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") || strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), "<svg ") {
		t.Error("names became markup, or there is no figure")
	}
	for _, external := range []string{"src=", "href=", "url(", "@import", "onload"} {
		if strings.Contains(b.String(), external) {
			t.Errorf("the page needs something else: %s", external)
		}
	}
}

func TestPNG(t *testing.T) {
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	figures, err := r.Figures([]string{FigureMemory})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WritePNG(&b, figures); err != nil {
		t.Fatal(err)
	}
	img, format, err := image.Decode(&b)
	if err != nil || format != "png" {
		t.Fatal(format, err)
	}
	seen := make(map[color.NRGBA]bool)
	for x := range img.Bounds().Dx() {
		for y := range img.Bounds().Dy() {
			seen[color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)] = true
		}
	}
	for i := range 2 {
		if !seen[palette[i].(color.NRGBA)] {
			t.Errorf("series %d is not drawn", i)
		}
	}
	if seen[palette[2].(color.NRGBA)] {
		t.Error("a third series is drawn")
	}
}

// luminance is that of WCAG 2, from 0 to 1.
func luminance(c color.Color) float64 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	f := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*f(n.R) + 0.7152*f(n.G) + 0.0722*f(n.B)
}

// Every series can be seen on white and on the dark ground of a page, and is
// told apart from each other by marker and dash as well.
func TestPalette(t *testing.T) {
	contrast := func(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
	for i, c := range palette {
		onWhite, onDark := contrast(luminance(c), 1), contrast(luminance(c), luminance(rgb(0x16181b)))
		if onWhite < 2 || onDark < 3 {
			t.Errorf("colour %d: contrast %.1f on white, %.1f on dark", i, onWhite, onDark)
		}
	}
	if len(palette) < maxSeries || len(markers) < maxSeries || len(dashes) < maxSeries || len(parts) < maxCaches {
		t.Error("series share a look")
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		lo, hi float64
		want   string
	}{
		{0, 20, "0 5 10 15 20"},
		{-0.4, 19.6, "0 5 10 15"},
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0.01, 0.05, "0.01 0.02 0.03 0.04 0.05"},
		{-300, 200, "-300 -200 -100 0 100 200"},
		{0, 8240, "0 2000 4000 6000 8000"},
		{1, 1, ""},
		{0, math.Inf(1), ""},
	} {
		var got []string
		for _, tick := range (ticks{}).Ticks(tt.lo, tt.hi) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v to %v: %v, want %s", tt.lo, tt.hi, got, tt.want)
		}
	}
	for _, tt := range []struct {
		lo, hi float64
		want   string
	}{
		{90, 2500, "100 200 500 1000 2000"},
		{0.9, 6, "0.9 1 2 3 4 5 6"},
		{0.05, 0.6, "0.05 0.1 0.2 0.5"},
		{400, 600, "400 450 500 550 600"},
		{0, 600, ""},
	} {
		var got []string
		for _, tick := range (logTicks{}).Ticks(tt.lo, tt.hi) {
			if tick.Label != "" {
				got = append(got, tick.Label)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("logarithmic, %v to %v: %v, want %s", tt.lo, tt.hi, got, tt.want)
		}
	}
}

func TestTextFigure(t *testing.T) {
	for _, name := range []string{"usual", "two"} {
		var b bytes.Buffer
		if err := report(t, loadLabs(t, labs()[name]), Query{}).WriteTextFigure(&b, 80); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".figure", b.Bytes())
	}
}
