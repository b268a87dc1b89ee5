package kernels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"zombench/bench/vm"
	"zombench/results"
	"zombench/results/stats"
)

// A Look is what was found of one kernel of a series.
type Look struct {
	Kernel int // its number in the series
	Value  float64
	Err    error // that it could not be measured
}

// A NoStepError says that the ends of a series do not differ.
type NoStepError struct{ Old, New float64 }

func (e *NoStepError) Error() string {
	return fmt.Sprintf("there is no step to be found: the oldest kernel has %.0f B a zombie and the newest %.0f B", e.Old, e.New)
}

// same is by how much, relatively, two values may differ that are of one kernel.
const same = 0.002

// Same reports whether two values are as near to each other as those of one kernel.
func Same(a, b float64) bool { return math.Abs(a-b) <= same*math.Max(math.Abs(a), math.Abs(b)) }

// Bisect finds two neighbours in a series of n kernels, the first of which is nearer to
// the oldest and the second nearer to the newest, by no more than ceil(log2 n) + 2
// looks. It returns what it saw, in the order of the series; the neighbours are next to
// each other in that. A kernel that cannot be measured (vm.ErrFailed) is left out at the
// cost of a look, unless it is an end; any other error ends the search.
//
// A series may step more than once: then the neighbours are those of one step, and
// looks beside them differ too.
func Bisect(n int, look func(i int) (float64, error)) (before, after Look, looks []Look, err error) {
	at := func(i int) Look {
		l := Look{Kernel: i}
		l.Value, l.Err = look(i)
		looks = append(looks, l)
		slices.SortFunc(looks, func(a, b Look) int { return a.Kernel - b.Kernel })
		return l
	}
	if n < 2 {
		return before, after, nil, errors.New("a series has at least two kernels")
	}
	if before = at(0); before.Err == nil {
		after = at(n - 1)
	}
	if err := cmp.Or(before.Err, after.Err); err != nil {
		return before, after, looks, err
	}
	old, new := before.Value, after.Value
	if Same(old, new) {
		return before, after, looks, &NoStepError{old, new}
	}
	var between []int
	for i := 1; i < n-1; i++ {
		between = append(between, i)
	}
	for len(between) > 0 {
		middle := len(between) / 2
		l := at(between[middle])
		switch {
		case errors.Is(l.Err, vm.ErrFailed):
			between = slices.Delete(between, middle, middle+1)
		case l.Err != nil:
			return before, after, looks, l.Err
		case math.Abs(l.Value-old) <= math.Abs(l.Value-new):
			before, between = l, between[middle+1:]
		default:
			after, between = l, between[:middle]
		}
	}
	return before, after, looks, nil
}

// Steps returns neighbours among looks between which the value changes.
func Steps(looks []Look) (steps [][2]Look) {
	measured := slices.DeleteFunc(slices.Clone(looks), func(l Look) bool { return l.Err != nil })
	for i := 1; i < len(measured); i++ {
		if !Same(measured[i-1].Value, measured[i].Value) {
			steps = append(steps, [2]Look{measured[i-1], measured[i]})
		}
	}
	return steps
}

// PerZombie measures one kernel, unless Resume finds it recorded, and returns how many
// bytes of a unit, such as kmem-B, a zombie adds.
func (f *Fleet) PerZombie(ctx context.Context, k vm.Kernel, unit string) (float64, error) {
	files, err := f.Run(ctx, []vm.Kernel{k})
	if err != nil {
		return 0, err
	}
	set, errs := results.Load(files...)
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	for _, s := range stats.Summarize(stats.Groups(stats.Setups(set.Records))) {
		for _, i := range s.Instruments {
			if base, _, _ := results.PerZombies(i.Unit); base == unit || i.Unit == unit {
				return i.PerZombie, nil
			}
		}
	}
	return 0, fmt.Errorf("%s: no trial counts of %s: %w", k.Name, unit, vm.ErrFailed)
}
