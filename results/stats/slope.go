package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Slope is a straight line through points, by Theil and Sen.
type Slope struct {
	Slope  float64 // median of the slopes of all pairs of points
	Lo, Hi float64 // Sen's interval; infinite if the points are too few for it
	// Intercept is the median of the residuals y - Slope*x.
	Intercept  float64
	Confidence float64 // asked for, in (0, 1)
	N          int     // points
}

// ErrOneX means that all points share one x: no slope can be had from them.
var ErrOneX = errors.New("all points share one x")

// maxPoints is how many points a slope is computed from. Of more, so many are
// taken evenly by x and y, which keeps the slope and makes the interval wider than
// it could be: the slopes of all pairs of 100 000 points would be 5 billion.
const maxPoints = 500

// TheilSen estimates the slope of y over x with Sen's confidence interval
// (P. K. Sen, Estimates of the regression coefficient based on Kendall's tau,
// JASA 63, 1968, 1379-1389): the median of the slopes of all pairs of points
// with different x, and those order statistics of them between which lie as many
// slopes as Kendall's S may be away from 0 by chance. A wild point moves neither
// far: up to 29 % of the points may be arbitrary.
//
// The distribution of S is taken as normal, and the ranks are rounded outwards,
// so that with few points the interval is rather too wide than too narrow.
func TheilSen(x, y []float64, confidence float64) (Slope, error) {
	n := len(x)
	switch {
	case n != len(y):
		return Slope{}, fmt.Errorf("slope: %d x but %d y", n, len(y))
	case !(confidence > 0 && confidence < 1):
		return Slope{}, fmt.Errorf("slope: confidence %v is not between 0 and 1", confidence)
	}
	points := make([]point, n)
	for i := range points {
		if points[i] = (point{x[i], y[i]}); x[i]-x[i] != 0 || y[i]-y[i] != 0 {
			return Slope{}, fmt.Errorf("slope: point (%v, %v)", x[i], y[i])
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y))
	})
	if n == 0 || points[0].x == points[n-1].x {
		return Slope{}, fmt.Errorf("slope: %w", ErrOneX)
	}

	s := Slope{N: n, Confidence: confidence, Lo: math.Inf(-1), Hi: math.Inf(1)}
	if n > maxPoints {
		x, y = make([]float64, maxPoints), make([]float64, maxPoints)
		for i := range maxPoints {
			p := points[i*(n-1)/(maxPoints-1)]
			x[i], y[i], points[i] = p.x, p.y, p
		}
		points = points[:maxPoints]
	}
	slopes := pairSlopes(points)
	pairs := len(slopes)
	s.Slope = middle(slopes)
	z := distuv.UnitNormal.Quantile((1 + confidence) / 2)
	c := z * math.Sqrt(kendallVariance(x, y))
	if m := int(math.Floor((float64(pairs) - c) / 2)); m >= 1 {
		// The m-th from either end, counting from 1.
		s.Lo, s.Hi = slopes[m-1], slopes[pairs-m]
	}
	s.Intercept = MedianIntercept(x, y, s.Slope)
	return s, nil
}

// MedianIntercept is the median of the residuals y - slope*x.
func MedianIntercept(x, y []float64, slope float64) float64 {
	residuals := make([]float64, len(x))
	for i := range residuals {
		residuals[i] = y[i] - slope*x[i]
	}
	slices.Sort(residuals)
	return middle(residuals)
}

// middle is the median of values in ascending order.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return sorted[(n-1)/2] + (sorted[n/2]-sorted[(n-1)/2])/2
}

type point struct{ x, y float64 }

// kendallVariance is the variance of Kendall's S when y is independent of x,
// given the ties in both (M. G. Kendall, Rank Correlation Methods, 4th edition,
// 1970, chapter 4).
func kendallVariance(x, y []float64) float64 {
	n := float64(len(x))
	if n < 2 {
		return 0
	}
	x1, x2, x3 := tieSums(x)
	y1, y2, y3 := tieSums(y)
	v := (n*(n-1)*(2*n+5)-x1-y1)/18 + x2*y2/(2*n*(n-1))
	if n > 2 {
		v += x3 * y3 / (9 * n * (n - 1) * (n - 2))
	}
	return v
}

// tieSums sums t(t-1)(2t+5), t(t-1) and t(t-1)(t-2) over groups of t equal values.
func tieSums(values []float64) (a, b, c float64) {
	sorted := slices.Sorted(slices.Values(values))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t := float64(j - i)
		a, b, c = a+t*(t-1)*(2*t+5), b+t*(t-1), c+t*(t-1)*(t-2)
		i = j
	}
	return a, b, c
}

// pairSlopes returns the slopes of all pairs with different x, ascending.
func pairSlopes(points []point) []float64 {
	slopes := make([]float64, 0, len(points)*(len(points)-1)/2)
	for i, p := range points {
		for _, q := range points[i+1:] {
			if q.x > p.x {
				slopes = append(slopes, (q.y-p.y)/(q.x-p.x))
			}
		}
	}
	slices.Sort(slopes)
	return slopes
}
