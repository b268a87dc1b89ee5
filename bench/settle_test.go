package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"zombench/measure"
)

// fakeClock moves only when somebody sleeps.
type fakeClock struct{ now time.Time }

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return context.Cause(ctx)
}

// reading makes a sample of a cgroup's kernel memory and the system's slab.
func reading(kmem, sunreclaim uint64) Sample {
	return Sample{Kmem: &kmem, Mem: &measure.Meminfo{SUnreclaim: sunreclaim}}
}

// script plays readings back; the last one stays.
func script(readings ...Sample) func() (Sample, error) {
	i := -1
	return func() (Sample, error) {
		i = min(i+1, len(readings)-1)
		return readings[i], nil
	}
}

func TestSettle(t *testing.T) {
	const big = 10 * SlabTolerance
	every := Settling{Every: 10 * time.Millisecond, Still: 3, Within: time.Second}
	lazily := every
	lazily.AtLeast = 100 * time.Millisecond
	swinging := func() func() (Sample, error) {
		i := uint64(0)
		return func() (Sample, error) { i++; return reading(i%2, 0), nil }
	}

	for _, tt := range []struct {
		name     string
		settling Settling
		read     func() (Sample, error)
		reached  func(Sample) bool
		kmem     uint64 // of the sample that is returned
		restless string
		took     time.Duration
	}{
		{"quiet from the start", every, script(reading(5, 0)), nil, 5, "", 20 * time.Millisecond},
		{"comes to rest", every, script(reading(1, 0), reading(2, 0), reading(5, 0)), nil, 5, "", 40 * time.Millisecond},
		{"slab within the tolerance", every, script(reading(5, 0), reading(5, SlabTolerance), reading(5, 0)), nil, 5, "", 20 * time.Millisecond},
		{"slab beyond it", every, script(reading(5, 0), reading(5, big), reading(5, big)), nil, 5, "", 30 * time.Millisecond},
		{"stands still for long enough", lazily, script(reading(5, 0)), nil, 5, "", 100 * time.Millisecond},
		{"a late change begins anew", lazily, script(reading(1, 0), reading(1, 0), reading(1, 0), reading(1, 0), reading(5, 0)), nil, 5, "", 140 * time.Millisecond},
		{"a late change of the slab does not", lazily, script(reading(5, 0), reading(5, 0), reading(5, 0), reading(5, 0), reading(5, big)), nil, 5, "", 100 * time.Millisecond},
		{"never quiet", every, swinging(), nil, 1, "the cgroup's kernel memory", time.Second},
		{"waits for the goal", every, script(reading(9, 0), reading(9, 0), reading(9, 0), reading(9, 0), reading(9, 0), reading(5, 0)),
			func(s Sample) bool { return *s.Kmem == 5 }, 5, "", 70 * time.Millisecond},
		{"quiet, but never at the goal", every, script(reading(9, 0)),
			func(s Sample) bool { return false }, 9, "", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := &fakeClock{}
			got, restless, err := tt.settling.settle(t.Context(), clock, tt.read, tt.reached)
			if err != nil {
				t.Fatal(err)
			}
			if *got.Kmem != tt.kmem || restless != tt.restless {
				t.Errorf("settled at %d, restless %q; want %d, %q", *got.Kmem, restless, tt.kmem, tt.restless)
			}
			if took := clock.now.Sub(time.Time{}); took != tt.took {
				t.Errorf("took %v, want %v", took, tt.took)
			}
		})
	}
}

// Of a slab that somebody else keeps moving, the middle is returned, and only
// of the readings that are of the same army.
func TestSettleBesideSomebodyElse(t *testing.T) {
	i := uint64(0)
	read := func() (Sample, error) {
		i++
		if i < 5 {
			return reading(1, (1+i)<<40), nil // before the army was complete
		}
		return reading(5, (100+[]uint64{0, 7, 1, 3, 9}[i%5])*SlabTolerance*2), nil
	}
	s := Settling{Every: 10 * time.Millisecond, Still: 3, Within: time.Second}
	got, restless, err := s.settle(t.Context(), &fakeClock{}, read, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Kmem != 5 || got.Mem.SUnreclaim != 103*SlabTolerance*2 || restless != movedSlab {
		t.Errorf("kmem %d, SUnreclaim %d, restless %q; want 5, %d, %q", *got.Kmem, got.Mem.SUnreclaim, restless, 103*SlabTolerance*2, movedSlab)
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, _, err := Settling{Every: time.Millisecond, Still: 3, Within: time.Second}.settle(ctx, systemClock{}, script(reading(5, 0)), nil)
	if !errors.Is(err, gone) {
		t.Errorf("error %v, want %v", err, gone)
	}
}

func TestSettleHandsOnAReadersError(t *testing.T) {
	broken := errors.New("broken")
	reads := 0
	_, _, err := Settling{Still: 3, Within: time.Second}.settle(t.Context(), &fakeClock{}, func() (Sample, error) {
		if reads++; reads == 2 {
			return Sample{}, broken
		}
		return reading(5, 0), nil
	}, nil)
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
