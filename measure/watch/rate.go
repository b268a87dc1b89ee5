package watch

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Growth is how fast zombies become more, net of those that are reaped: the mean
// over a window, with an interval in which it is with a confidence of 95 %.
type Growth struct {
	PerSecond float64       `json:"per_second"`
	Known     bool          `json:"known"` // false: too little was seen for an interval, and Lo and Hi are 0
	Lo        float64       `json:"per_second_lo"`
	Hi        float64       `json:"per_second_hi"`
	Window    time.Duration `json:"window_ns"`
	Leak      bool          `json:"leak"` // it is above the noise, and has not stopped

	quantile, se, variance, block float64
}

// A block is a part of the window.
type block struct {
	growth  int64
	seconds float64
}

const (
	confidence = 0.95
	fewest     = 5 // blocks below which nothing is said
	// Nothing leaks as evenly for ever as it did for a minute: no interval is
	// narrower than this part of the rate to each side.
	steadiness = 0.02
)

// growthOf estimates from blocks that follow each other. With fewer than fewest it
// is the mean alone.
func growthOf(blocks []block) Growth {
	mean, se, variance, seconds := spread(blocks)
	g := Growth{PerSecond: mean, Window: time.Duration(seconds * float64(time.Second))}
	if len(blocks) < fewest {
		return g
	}
	g.quantile = distuv.StudentsT{Sigma: 1, Nu: float64(len(blocks) - 1)}.Quantile((1 + confidence) / 2)
	g.se, g.variance, g.block = se, variance, seconds/float64(len(blocks))
	half := max(g.quantile*se, steadiness*math.Abs(mean))
	g.Known, g.Lo, g.Hi = true, mean-half, mean+half
	// A parent that reaps late gathers zombies at first, and then no more.
	recent, recentSE, _, _ := spread(blocks[len(blocks)/2:])
	g.Leak = g.Lo > 0 && recent-g.quantile*recentSE > 0
	return g
}

// spread returns the mean rate of the blocks, its standard error, and the variance
// of a block's rate.
func spread(blocks []block) (mean, se, variance, seconds float64) {
	var total int64
	for _, b := range blocks {
		total += b.growth
		seconds += b.seconds
	}
	if seconds <= 0 {
		return 0, 0, 0, 0
	}
	mean = float64(total) / seconds
	for _, b := range blocks {
		d := float64(b.growth)/b.seconds - mean
		variance += d * d
	}
	n := float64(len(blocks))
	if n > 1 {
		variance /= n - 1
	}
	// A zombie more or less at the ends of the window is no noise of the blocks.
	se = max(math.Sqrt(variance/n), 0.5/seconds)
	return mean, se, variance, seconds
}

// After returns when n zombies more are there if it goes on like this, with the
// interval; ok is false if that cannot be said, for it does not grow. The end of
// the interval is Never if it may not grow.
func (g Growth) After(n uint64) (at, lo, hi time.Duration, ok bool) {
	if !g.Leak {
		return 0, 0, 0, false
	}
	t := float64(n) / g.PerSecond
	// Of the rate, and of how uneven the zombies come until then.
	spread := g.quantile * math.Sqrt(g.se*g.se+g.variance*g.block/max(t, g.block))
	half := max(spread, steadiness*g.PerSecond)
	return seconds(t), seconds(float64(n) / (g.PerSecond + half)), seconds(float64(n) / max(g.PerSecond-half, 0)), true
}

// Never is longer than anything lasts.
const Never = time.Duration(math.MaxInt64)

func seconds(s float64) time.Duration {
	if ns := s * float64(time.Second); ns < float64(Never) {
		return time.Duration(ns)
	}
	return Never
}
