package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zombench/results"
	"zombench/results/figure"
)

func contains(texts []string, s string) bool { return slices.Contains(texts, s) }

// svgTexts returns the texts of a drawing.
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
			if !slices.Contains([]string{"svg", "g", "path", "text", "style"}, tok.Name.Local) {
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

func drawSVG(t *testing.T, r *Report, names ...string) []string {
	t.Helper()
	var b strings.Builder
	if err := figure.WriteSVG(&b, r.Doc().Figures(names...)); err != nil {
		t.Fatal(err)
	}
	return svgTexts(t, b.String())
}

func TestFigures(t *testing.T) {
	three := report(t, loadLabs(t, labs()["two"]), Query{})
	one := report(t, loadLabs(t, labs()["usual"]), Query{})
	for _, tt := range []struct {
		r    *Report
		name string
		want []string
	}{
		{three, figure.NameMemory, []string{"Memory against count", "kernel memory (MiB)", "zombies in the army", "0", "20", "1000",
			" 6.18.44 amd64 exec, 10.16 KiB a zombie", " 6.1.0 arm64 exec, 10.74 KiB a zombie", " 6.18.44 amd64 os-exec, 12.55 KiB a zombie"}},
		{one, figure.NameMemory, []string{" kernel slab (SUnreclaim), 10.16 KiB a zombie", " charged to the cgroup, 9.377 KiB a zombie"}},
		{three, figure.NameBars, []string{"bytes a zombie (B)", "6.1.0 arm64 exec", "8706 / 11000", " kernel slab (second number)"}},
		{three, figure.NameResiduals, []string{"distance from the fitted line (KiB)", " 6.1.0 arm64 exec", "500", "2000"}},
		{three, figure.NameTimes, []string{"creation time per zombie (µs)", " 6.1.0 arm64 exec, 50 at a time", "500", "2000"}},
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
	if got := one.Doc().Figures("pie"); len(got) > 0 {
		t.Errorf("%d pies", len(got))
	}
}

// What was not measured is not drawn, and what is hidden is not claimed.
func TestFiguresLeaveOut(t *testing.T) {
	nothing := report(t, loadLabs(t, labs()["broken"]), Query{})
	if figures := nothing.Doc().Figures(); len(figures) > 0 {
		t.Errorf("%d figures of nothing", len(figures))
	}
	for _, err := range []error{figure.WriteSVG(io.Discard, nil), figure.WritePNG(io.Discard, nil)} {
		if !errors.Is(err, figure.ErrNothing) {
			t.Error(err)
		}
	}
	if texts := drawSVG(t, report(t, loadLabs(t, labs()["hidden"]), Query{})); slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "slab") }) {
		t.Errorf("slab that was not measured: %q", texts)
	}
	var many []lab
	for i := range 12 {
		l := labs()["usual"][0]
		l.config = append([]results.Param{{Key: "kernel", Value: fmt.Sprintf("6.%d", i)}}, l.config[1:]...)
		many = append(many, l)
	}
	r := report(t, loadLabs(t, many), Query{})
	if c := r.Doc().Figures()[0].Caption; !strings.Contains(c, "The first 8 of 12 are drawn") {
		t.Error(c)
	}
	if n := strings.Count(strings.Join(drawSVG(t, r, figure.NameMemory), "\n"), " KiB a zombie"); n != 8 {
		t.Errorf("%d series", n)
	}
}

// Names stay text, in files and in pages.
func TestHostileFigures(t *testing.T) {
	set := loadLabs(t, labs()["hostile"])
	texts := drawSVG(t, report(t, set, Query{}))
	if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "<script>alert(1)</script>") }) {
		t.Errorf("the name is lost: %q", texts)
	}
	page := render(t, report(t, set, Query{}).Doc(), HTML)
	if strings.Contains(page, "<script") || strings.Contains(page, "\x1b") || !strings.Contains(page, "<svg ") {
		t.Error("names became markup, or there is no figure")
	}
	for _, external := range []string{"src=", "href=", "url(", "@import", "onload"} {
		if strings.Contains(page, external) {
			t.Errorf("the page needs something else: %s", external)
		}
	}
}

func TestPNG(t *testing.T) {
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	var b bytes.Buffer
	if err := figure.WritePNG(&b, r.Doc().Figures(figure.NameMemory)); err != nil {
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
	// The first colours of the palette of package figure.
	for i, c := range []color.NRGBA{{0x00, 0x72, 0xB2, 0xFF}, {0xD5, 0x5E, 0x00, 0xFF}, {0x00, 0x9E, 0x73, 0xFF}} {
		if seen[c] != (i < 2) {
			t.Errorf("series %d is drawn: %v", i, seen[c])
		}
	}
}

// On dark ground every colour of a figure differs from the ground by a contrast of 3
// at least, which WCAG 2.1 (1.4.11) wants of what one must see to understand.
func TestFiguresOnDarkGround(t *testing.T) {
	_, dark, _ := strings.Cut(pageSource, "prefers-color-scheme: dark")
	ground := regexp.MustCompile(`--ground: (#\w{6})`).FindStringSubmatch(dark)
	if ground == nil {
		t.Fatal("the page has no dark ground")
	}
	lighter := make(map[string]string)
	for _, m := range regexp.MustCompile(`fill:(#\w{6})"\] { fill: (#\w{6})`).FindAllStringSubmatch(dark, -1) {
		lighter[m[1]] = m[2]
	}
	set, errs := results.Load("../recorded/amd64-5.10.0-30.txt", "../recorded/amd64-6.1.0-56.txt")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	page := render(t, report(t, set, Query{}).Doc(), HTML)
	_, body, _ := strings.Cut(page, "</style>")
	colours := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?:fill|stroke):(#\w{6})`).FindAllStringSubmatch(body, -1) {
		colours[m[1]] = true
	}
	delete(colours, "#000000") // the page draws these two in its own
	delete(colours, "#FFFFFF")
	if len(colours) < 8 {
		t.Errorf("the figures have the colours %v only", colours)
	}
	for colour := range colours {
		if c := contrast(t, cmp.Or(lighter[colour], colour), ground[1]); c < 3 {
			t.Errorf("%s on %s: a contrast of %.1f", colour, ground[1], c)
		}
	}
	if c := contrast(t, "#46459C", ground[1]); c >= 3 {
		t.Errorf("a dark blue passes: %.1f", c)
	}
}

// contrast is that of two colours by WCAG 2.1.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(colour string) (sum float64) {
		v, err := strconv.ParseUint(colour[1:], 16, 24)
		if err != nil {
			t.Fatal(err)
		}
		for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
			c := float64(v>>(8*i)&0xFF) / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += weight * c
		}
		return sum + 0.05
	}
	x, y := luminance(a), luminance(b)
	return max(x, y) / min(x, y)
}
