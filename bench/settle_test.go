package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
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
	alone := every
	alone.Cgroup = true
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
		{"slab beyond it, and the cgroup alone counts", alone, script(reading(5, 0), reading(5, big), reading(5, 3*big)), nil, 5, "", 20 * time.Millisecond},
		{"the cgroup alone counts, and moves", alone, script(reading(4, 0), reading(5, 0), reading(5, big)), nil, 5, "", 30 * time.Millisecond},
		{"too few readings", Settling{Every: 10 * time.Millisecond, Still: 3, Within: 15 * time.Millisecond}, script(reading(5, 0)), nil, 5, "", 20 * time.Millisecond},
		{"no time for enough readings", Settling{Every: 10 * time.Millisecond, Still: 3, Within: 5 * time.Millisecond}, script(reading(5, 0)), nil, 5, "the kernel, in too few readings,", 10 * time.Millisecond},
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

func TestChangedCaches(t *testing.T) {
	line := func(name string, objects uint64) measure.SlabLine {
		return measure.SlabLine{Name: name, ActiveObjs: objects}
	}
	a := measure.Slabinfo{Caches: []measure.SlabLine{line("pid", 5), line("cred", 7), line("gone", 1)}}
	b := measure.Slabinfo{Caches: []measure.SlabLine{line("pid", 6), line("cred", 7), line("new", 1)}}
	got := changed(a, b, []string{"pid", "cred", "gone", "new"})
	if want := []string{"pid", "gone", "new"}; !slices.Equal(got, want) {
		t.Errorf("changed are %q, want %q", got, want)
	}
}

func TestMoved(t *testing.T) {
	full := func(pids, kmem, sunreclaim uint64) Sample {
		return Sample{Pids: &pids, Kmem: &kmem, Mem: &measure.Meminfo{SUnreclaim: sunreclaim}}
	}
	still := full(7, 5, 1<<30)
	for _, tt := range []struct {
		a, b Sample
		want string
	}{
		{still, still, ""},
		{Sample{}, Sample{}, ""},
		{still, full(8, 5, 1<<30), "pids.current"},
		{still, full(7, 4, 1<<30), "the cgroup's kernel memory"},
		{still, full(7, 5, 1<<30+SlabTolerance), ""},
		{still, full(7, 5, 1<<30-SlabTolerance-1), "SUnreclaim"},
	} {
		if got := moved(tt.a, tt.b); got != tt.want {
			t.Errorf("moved: %q, want %q", got, tt.want)
		}
	}
}

// What did not settle becomes a warning with the name of the moment, and what was
// read is kept all the same.
func TestUnrestBecomesAWarning(t *testing.T) {
	l := lab()
	for i := range l.Instruments.List {
		l.Instruments.List[i].Err = measure.ErrNotSupported
	}
	l.Settling = Settling{Every: time.Millisecond, Still: 1 << 20, Within: 5 * time.Millisecond}
	s := &Site{Lab: l, watch: silent{}, sampler: sampler{instruments: l.Instruments}}
	if _, err := s.Settle(t.Context(), "after", nil); err != nil {
		t.Fatal(err)
	}
	if w := s.Result.Warnings; len(w) != 1 || !strings.HasSuffix(w[0], "did not settle within 0s (after)") {
		t.Errorf("warnings %q", w)
	}
	if len(s.samples) != 1 || s.samples[0].when != "after" {
		t.Errorf("samples %+v, want that of the moment", s.samples)
	}
	l.Settling.Still = 1
	if _, err := s.Settle(t.Context(), "reaped", nil); err != nil || len(s.Result.Warnings) != 1 {
		t.Errorf("of a quiet kernel: warnings %q, error %v", s.Result.Warnings, err)
	}
}

// Machines on which readings are dear or few are given more time.
func TestSettlingFitsTheMachine(t *testing.T) {
	settling := func(cpus int, emulated bool) Settling {
		l := lab()
		l.Machine.CPUs, l.emulated = cpus, emulated
		return l.settling()
	}
	plain := settling(2, false)
	if one := settling(1, false); one.Every <= plain.Every || one.Within <= plain.Within {
		t.Errorf("one CPU: %+v, two: %+v; want longer", one, plain)
	}
	if slow := settling(2, true); slow.Every <= plain.Every || slow.Within <= plain.Within {
		t.Errorf("emulated: %+v, else: %+v; want longer", slow, plain)
	}
}
