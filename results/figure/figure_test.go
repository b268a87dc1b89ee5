package figure

import (
	"image/color"
	"math"
	"strings"
	"testing"
)

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
	if len(palette) < maxSeries || len(markers) < maxSeries || len(dashes) < maxSeries || len(parts) < maxParts {
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
