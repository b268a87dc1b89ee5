// Package speed measures how fast zombies come and go: zombied's ways of
// spawning beside peers that raise the same army, in turn, on the same CPU.
//
// It believes in ratios only. How long a zombie takes depends on the machine
// and its mood; how much longer it takes one contestant than another does so
// far less, if both are tried again and again in the same minutes. It is not
// for memory: that is the same for all of them and package bench's to measure.
package speed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A Timing is how long one army took.
type Timing struct {
	Raise time.Duration // from the first spawn until the last child was seen dead
	Reap  time.Duration // from then until all were collected; 0 if Raise covers both
}

// A Contestant raises armies and reaps them.
type Contestant interface {
	Name() string
	// Army raises an army of count zombies and reaps it again.
	Army(ctx context.Context, count int) (Timing, error)
}

// A Heat is an army that a contestant raises in each round.
type Heat struct {
	Contestant Contestant
	Count      int // zombies
	Times      int // armies in a round; 0 is one
}

// A Result is what one army of a heat took.
type Result struct {
	Heat
	Round int
	Timing
}

// Run runs every heat in each round, as often as it wants to, in an order that is
// random and comes from the seed alone, and hands each result to done.
func Run(ctx context.Context, heats []Heat, rounds int, seed uint64, begin func(i, n int, h Heat), done func(Result) error) error {
	var armies []Heat // of a round
	for _, h := range heats {
		armies = append(armies, slices.Repeat([]Heat{h}, max(1, h.Times))...)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		for i, a := range rng.Perm(len(armies)) {
			heat := armies[a]
			begin(round*len(armies)+i, rounds*len(armies), heat)
			timing, err := heat.Contestant.Army(ctx, heat.Count)
			if err != nil {
				return fmt.Errorf("%s, %d zombies: %w", heat.Contestant.Name(), heat.Count, err)
			}
			if err := done(Result{heat, round, timing}); err != nil {
				return err
			}
		}
	}
	return nil
}
