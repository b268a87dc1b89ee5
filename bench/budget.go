package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zombench/measure"
)

// leastSamples is how many trials a 95 % interval of a median takes.
const leastSamples = 6

// fit makes the plan small enough for the run's budget, of which spent is gone
// already: first of samples, of which each setup keeps at least six, then of the
// largest armies, of which each group keeps two sizes. What a trial costs here is
// found out by one of each that is not recorded; the results themselves have no
// say. It returns what it has done, for people.
func (r *Runner) fit(ctx context.Context, lab *Lab, setups []planned, start time.Time) ([]planned, string, error) {
	costs := make(map[string]time.Duration)
	r.Notice(fmt.Sprintf("budget %v: one pilot trial of each of %d benchmarks first", r.Budget, len(setups)))
	for _, s := range setups {
		began := time.Now()
		_, _, err := lab.trial(ctx, s.Setup, silent{})
		switch {
		case errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted):
		case err != nil:
			return nil, "", fmt.Errorf("pilot of %s: %w", s.Name(), err)
		}
		costs[s.Name()] = time.Since(began)
	}
	fitted, rest := fit(setups, costs, r.Budget-time.Since(start))
	left := 0
	for _, s := range fitted {
		left = max(left, s.samples)
	}
	note := fmt.Sprintf("budget %v: %d benchmarks, up to %d samples of each", r.Budget, len(fitted), left)
	if n := len(setups) - len(fitted); n > 0 {
		note += fmt.Sprintf("; the %d with the largest armies were left out", n)
	}
	if rest < 0 {
		note += fmt.Sprintf("; that takes about %v longer", -rest.Round(time.Second))
	}
	return fitted, note, nil
}

// fit is the arithmetic of that: it returns the plan, and how much of the time
// is left.
func fit(setups []planned, costs map[string]time.Duration, left time.Duration) ([]planned, time.Duration) {
	total := func(most int) (sum time.Duration) {
		for _, s := range setups {
			sum += costs[s.Name()] * time.Duration(max(s.Times, 1)*min(s.samples, most))
		}
		return sum
	}
	setups = slices.Clone(setups)
	for total(leastSamples) > left {
		largest := dropLargest(setups)
		if len(largest) == len(setups) {
			break
		}
		setups = largest
	}
	most := leastSamples
	for i := range setups {
		most = max(most, setups[i].samples)
	}
	for most > leastSamples && total(most) > left {
		most--
	}
	rest := left - total(most)
	for i := range setups {
		setups[i].samples = min(setups[i].samples, most)
	}
	return setups, rest
}

// dropLargest returns the setups without the largest armies of those groups that
// have more than two sizes; all if there is none.
func dropLargest(setups []planned) []planned {
	sizes := make(map[string][]int) // of each group, ascending
	for _, s := range setups {
		if n := s.Army.Zombies; !s.Control && !slices.Contains(sizes[s.Group], n) {
			sizes[s.Group] = append(sizes[s.Group], n)
			slices.Sort(sizes[s.Group])
		}
	}
	return slices.DeleteFunc(slices.Clone(setups), func(s planned) bool {
		of := sizes[s.Group]
		return !s.Control && len(of) > 2 && s.Army.Zombies == of[len(of)-1]
	})
}
