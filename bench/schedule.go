package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// A planned setup is one that a run is asked for.
type planned struct {
	Setup
	experiment *Experiment
	samples    int
}

// controlsAny reports whether any of some setups is what a control controls.
func (p planned) controlsAny(setups []planned) bool {
	for _, s := range setups {
		if !s.Control && s.experiment == p.experiment && s.Group == p.Group {
			return true
		}
	}
	return false
}

// ErrNothingMatches says that a pattern matches no benchmark.
var ErrNothingMatches = errors.New("matches no benchmark")

// plan returns the setups of the experiments that match a pattern as of go test
// -bench, and the controls that belong to them; "" matches all.
func plan(experiments []Experiment, pattern string, samples int) ([]planned, error) {
	match, err := parseMatcher(pattern)
	if err != nil {
		return nil, err
	}
	var all []planned
	example := ""
	for i := range experiments {
		e := &experiments[i]
		setups, err := e.Setups()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		groups := make(map[string]bool) // of which something matches
		for _, s := range setups {
			if !s.Control && match.matches(s.Name()) {
				groups[s.Group] = true
			}
			if example == "" {
				example = s.Name()
			}
		}
		for _, s := range setups {
			if !match.matches(s.Name()) && !(s.Control && groups[s.Group]) {
				continue
			}
			n := samples
			if n == 0 {
				n = e.Samples
			}
			all = append(all, planned{s, e, n})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q %w, such as %s", pattern, ErrNothingMatches, example)
	}
	return all, nil
}

// schedule returns the trials in the order in which they run: rounds, each
// holding every setup that has samples left, in random order, so that a drift
// of the machine falls on all alike; then, in rounds of their own, those that
// would disturb the others. The order depends on nothing but the plan and the
// seed.
func schedule(setups []planned, seed uint64) []planned {
	rng := rand.New(rand.NewPCG(seed, 0))
	var trials []planned
	for _, last := range []bool{false, true} {
		for round, more := 0, true; more; round++ {
			more = false
			var this []planned
			for _, s := range setups {
				if s.Last != last || s.samples <= round {
					continue
				}
				more = true
				for range max(s.Times, 1) {
					this = append(this, s)
				}
			}
			for _, i := range rng.Perm(len(this)) {
				trials = append(trials, this[i])
			}
		}
	}
	return trials
}
