package drag

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Ticks are the moments at which a bystander's turns ended, one after the other,
// in ns of CLOCK_MONOTONIC. A turn lasts from one tick to the next.
type ticks []int64

// turns calls f with the length of each turn that overlaps a window, until it
// fails. It is an error if not all of the window was seen.
func (t ticks) turns(w window, f func(time.Duration) error) error {
	if len(t) == 0 || t[0] > w.From || t[len(t)-1] < w.To {
		return fmt.Errorf("a bystander did not see all of a window of %v", w.length())
	}
	end := sort.Search(len(t), func(i int) bool { return t[i] > w.From }) // of the first that overlaps
	for ; end < len(t); end++ {
		if err := f(time.Duration(t[end] - t[end-1])); err != nil || t[end] >= w.To {
			return err
		}
	}
	return nil
}

// A stall is for how long a bystander's turns kept it, in ns.
type stall struct {
	longest float64 // in the window of an act, the median of all acts
	tail    float64 // the 99.9th percentile of all turns in these windows
	rest    float64 // as longest, in windows of rest
	noise   float64 // the longest in any window of rest
}

// stalled reports whether the acts held the bystander up for longer than the
// machine does by itself.
func (s stall) stalled() bool { return s.longest > s.noise }

// longestTurn bounds the histogram.
const longestTurn = time.Minute

// stalls finds out for how long a bystander was held up. Of each turn so much
// was meant to be.
func (p performance) stalls(t ticks, meant time.Duration) (s stall, err error) {
	histogram := hdrhistogram.New(1, int64(longestTurn), 3)
	longest := func(windows []window, note func(int64) error) ([]float64, error) {
		all := make([]float64, len(windows))
		for i, w := range windows {
			err := t.turns(w, func(d time.Duration) error {
				d = max(d-meant, 0)
				all[i] = max(all[i], float64(d))
				return note(int64(d))
			})
			if err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	acts, err := longest(p.Acts, histogram.RecordValue)
	if err != nil {
		return s, err
	}
	rests, err := longest(p.Rests, func(int64) error { return nil })
	if err != nil {
		return s, err
	}
	return stall{
		longest: median(acts), tail: float64(histogram.ValueAtPercentile(99.9)),
		rest: median(rests), noise: slices.Max(rests),
	}, nil
}

// duration returns how long an act took, in ns: the median.
func (p performance) duration() float64 {
	all := make([]float64, len(p.Acts))
	for i, w := range p.Acts {
		all[i] = float64(w.length())
	}
	return median(all)
}

// median returns the middle of numbers, of which there is at least one.
func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
