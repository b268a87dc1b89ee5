package stats

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
}

func TestTheilSenPublished(t *testing.T) {
	for _, tt := range []struct {
		source     string
		x, y       []float64
		confidence float64
		want       Slope
	}{{
		source:     "Sen 1968, section 6; the same in R's deming (intercept by residuals) and in SciPy's tests of theilslopes",
		x:          []float64{1, 2, 3, 4, 10, 12, 18},
		y:          []float64{9, 15, 19, 20, 45, 55, 78},
		confidence: 0.93,
		want:       Slope{Slope: 4, Lo: 26. / 7, Hi: 35. / 8, Intercept: 6},
	}, {
		source:     "Helsel and Hirsch, Statistical Methods in Water Resources, chapter 10: one outlier of seven",
		x:          []float64{1, 2, 3, 4, 5, 6, 7},
		y:          []float64{1, 2, 3, 4, 5, 16, 7},
		confidence: 0.5,
		want:       Slope{Slope: 1, Lo: 1, Hi: 1, Intercept: 0},
	}, {
		source:     "SciPy's test of mstats.theilslopes with method=joint: ties in y, too few points for an interval",
		x:          []float64{0, 1, 2},
		y:          []float64{0, 1, 1},
		confidence: 0.95,
		want:       Slope{Slope: 0.5, Lo: math.Inf(-1), Hi: math.Inf(1), Intercept: 0},
	}} {
		got, err := TheilSen(tt.x, tt.y, tt.confidence)
		if err != nil {
			t.Fatal(err)
		}
		if !near(got.Slope, tt.want.Slope) || !near(got.Lo, tt.want.Lo) || !near(got.Hi, tt.want.Hi) || !near(got.Intercept, tt.want.Intercept) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.source, got, tt.want)
		}
		// negative control: one value changed, another answer
		y := slices.Clone(tt.y)
		y[0] -= 20
		if other, err := TheilSen(tt.x, y, tt.confidence); err != nil || other == got {
			t.Errorf("%s: %+v does not depend on y (%v)", tt.source, got, err)
		}
	}
}

// The variance must be that of S over all orders of y, whatever is tied.
func TestKendallVariance(t *testing.T) {
	for _, tt := range [][2][]float64{
		{{1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}},
		{{1, 1, 2, 2, 3, 3}, {1, 2, 3, 4, 5, 6}},
		{{1, 1, 1, 2, 2, 2}, {1, 1, 2, 3, 3, 3}},
		{{1, 1, 1, 1, 2, 3}, {7, 7, 7, 7, 7, 8}},
		{{1, 2}, {1, 2}},
	} {
		x, y := tt[0], tt[1]
		var sum, squares, n float64
		permute(slices.Clone(y), 0, func(y []float64) {
			var s float64
			for i := range x {
				for j := range i {
					s += sign(x[i]-x[j]) * sign(y[i]-y[j])
				}
			}
			sum, squares, n = sum+s, squares+s*s, n+1
		})
		want := squares/n - (sum/n)*(sum/n)
		if got := kendallVariance(x, y); !near(got, want) {
			t.Errorf("x %v y %v: got %v, want %v", x, y, got, want)
		}
	}
}

func permute(a []float64, k int, f func([]float64)) {
	if k == len(a) {
		f(a)
		return
	}
	for i := k; i < len(a); i++ {
		a[k], a[i] = a[i], a[k]
		permute(a, k+1, f)
		a[k], a[i] = a[i], a[k]
	}
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// army makes points like those of a run: three counts, k trials each.
func army(rnd *rand.Rand, k int, slope, noise float64) (x, y []float64) {
	for range k {
		for _, n := range []float64{500, 1000, 2000} {
			x = append(x, n)
			y = append(y, slope*n+noise*rnd.NormFloat64())
		}
	}
	return x, y
}

func TestTheilSenProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	t.Run("an exact line has an interval of no width", func(t *testing.T) {
		x, y := army(rnd, 10, 9600, 0)
		if s, err := TheilSen(x, y, 0.95); err != nil || s.Slope != 9600 || s.Lo != 9600 || s.Hi != 9600 || s.Intercept != 0 || s.N != 30 {
			t.Errorf("%+v %v", s, err)
		}
		y[0]++ // control
		y[1]--
		y[2]++
		if s, _ := TheilSen(x, y, 0.9999999999); s.Lo == s.Hi {
			t.Errorf("%+v", s)
		}
	})
	t.Run("outliers do not move it", func(t *testing.T) {
		x, y := army(rnd, 10, 9600, 4)
		for i := 0; i < 6; i++ { // 20 %
			y[i*5] += 1e9
		}
		s, err := TheilSen(x, y, 0.95)
		if err != nil || math.Abs(s.Slope-9600) > 1 {
			t.Errorf("%+v %v", s, err)
		}
		for i := range y { // control: four fifths of them do
			if i%5 != 0 {
				y[i] = 12000 * x[i]
			}
		}
		if s, _ := TheilSen(x, y, 0.95); math.Abs(s.Slope-9600) <= 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("95 % intervals hold the truth in 95 % of cases", func(t *testing.T) {
		const runs = 2000
		var hit, missed int
		for range runs {
			x, y := army(rnd, 5, 9600, 1e6)
			s, err := TheilSen(x, y, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if s.Lo <= 9600 && 9600 <= s.Hi {
				hit++
			}
			if s.Lo <= 12000 && 12000 <= s.Hi { // control: a wrong truth
				missed++
			}
		}
		// The seed is fixed; 3 standard errors are 1.5 %.
		if rate := float64(hit) / runs; rate < 0.935 || rate > 0.985 {
			t.Errorf("%v of the intervals hold the slope", rate)
		}
		if rate := float64(missed) / runs; rate > 0.2 {
			t.Errorf("%v of the intervals hold a wrong slope", rate)
		}
	})
	t.Run("order and units do not matter", func(t *testing.T) {
		x, y := army(rnd, 4, 9600, 1e5)
		want, _ := TheilSen(x, y, 0.95)
		rnd.Shuffle(len(x), func(i, j int) { x[i], x[j], y[i], y[j] = x[j], x[i], y[j], y[i] })
		got, _ := TheilSen(x, y, 0.95)
		if got != want {
			t.Errorf("%+v %+v", got, want)
		}
		for i := range y {
			y[i] *= -1
		}
		if got, _ = TheilSen(x, y, 0.95); !near(got.Slope, -want.Slope) || !near(got.Lo, -want.Hi) || !near(got.Hi, -want.Lo) {
			t.Errorf("%+v %+v", got, want)
		}
	})
}

// Of many points some are taken; the slope stays, and the interval holds it.
func TestTheilSenManyPoints(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	x, y := army(rnd, 10*maxPoints, 9600, 1e6)
	s, err := TheilSen(x, y, 0.95)
	if err != nil || s.Lo > 9600 || s.Hi < 9600 || s.Hi-s.Lo > 1000 || s.N != 30*maxPoints {
		t.Errorf("%+v %v", s, err)
	}
	for i := range y { // control: another slope is outside
		y[i] += 1000 * x[i]
	}
	if s, err := TheilSen(x, y, 0.95); err != nil || s.Lo <= 9600 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestTheilSenRefuses(t *testing.T) {
	for _, tt := range []struct {
		x, y       []float64
		confidence float64
	}{
		{[]float64{1}, []float64{1, 2}, 0.95},
		{[]float64{1, 2}, []float64{1, math.NaN()}, 0.95},
		{[]float64{1, math.Inf(1)}, []float64{1, 2}, 0.95},
		{[]float64{1, 2}, []float64{1, 2}, 1},
	} {
		if s, err := TheilSen(tt.x, tt.y, tt.confidence); err == nil {
			t.Errorf("%v: %+v", tt, s)
		}
	}
	for _, x := range [][]float64{nil, {1}, {1, 1, 1}} {
		if _, err := TheilSen(x, x, 0.95); !errors.Is(err, ErrOneX) {
			t.Errorf("%v: %v", x, err)
		}
	}
}

func BenchmarkTheilSen(b *testing.B) {
	for _, n := range []int{60, maxPoints, 30000, 300000} {
		x, y := army(rand.New(rand.NewPCG(1, 1)), n/3, 9600, 1e6)
		b.Run(fmt.Sprintf("points=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := TheilSen(x, y, 0.95); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
