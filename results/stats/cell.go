package stats

import (
	"math"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"

	"zombench/results"
)

// A Cell is what trials say in one unit, by the statistics that benchstat uses:
// the median and its interval, or the value of what is exact by nature.
type Cell struct {
	benchmath.Summary
	N      int
	Method string // median or exact
	// Floor is the noise floor in the unit of the cell, -1 if there is none. A
	// cell below it is a number that could as well be had with no zombies.
	Floor      float64
	BelowNoise bool
}

// NewCell computes a cell of a unit as it stands in the file, in its tidied unit
// (sec for ns), and returns the sample that it is of as well.
func NewCell(unit string, trials, controls []*results.Record, assume benchmath.Assumption) (Cell, *benchmath.Sample) {
	var values []float64
	largest := 0
	for _, t := range trials {
		if v, ok := t.Value(unit); ok {
			tidy, _ := benchunit.Tidy(v, unit)
			values = append(values, tidy)
			largest = max(largest, t.N)
		}
	}
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	c := Cell{N: len(values), Method: assume.SummaryLabel(), Floor: -1}
	if c.N == 0 {
		return c, sample
	}
	c.Summary = assume.Summary(sample, Confidence)
	if base, per, ok := results.PerZombies(unit); ok {
		if floor, n := noiseFloor(base, controls); n > 0 {
			// From a difference to one for so many zombies of this army.
			c.Floor = floor * per / float64(largest)
			c.BelowNoise = math.Abs(c.Center) <= c.Floor
		}
	}
	return c, sample
}

// Times returns the cell over another number of zombies.
func (c Cell) Times(factor float64) Cell {
	c.Center, c.Lo, c.Hi = c.Center*factor, c.Lo*factor, c.Hi*factor
	if c.Floor > 0 {
		c.Floor *= factor
	}
	return c
}

// Median returns the median of values, which it sorts, and its interval.
func Median(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), Confidence)
}

// noiseFloor is the largest absolute difference that a control showed in a
// unit, and how many controls have it. The largest, not a quantile: controls are
// few, and what one of them did by chance a trial may do too.
func noiseFloor(unit string, controls []*results.Record) (floor float64, n int) {
	floor = -1
	for _, c := range controls {
		if v, ok := c.Value(unit); ok {
			floor, n = max(floor, math.Abs(v)), n+1
		}
	}
	return floor, n
}
