// Package stats computes what result files say: medians with their intervals, as
// benchstat has them, and what one zombie adds, with the noise below which nothing
// is said.
//
// Records flow in, and are put together by [Setups] (the trials of one benchmark
// name under one configuration) and [Groups] (the setups that one estimate is
// made of); numbers flow out. It prints nothing but numbers with their units, and
// reads no files.
package stats

import (
	"math"
	"slices"
)

// Confidence is the level of every interval.
const Confidence = 0.95

// Finite reports whether all of the values are numbers that can be computed with
// and drawn.
func Finite(values ...float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 1e250 })
}
