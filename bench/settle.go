package bench

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
	"zombench/measure"
)

// Settling says when the kernel counts as quiet.
//
// Tasks, pids and stacks are freed after RCU grace periods, slabs stay with
// their cache until it is shrunk, and counters are kept per CPU: a reading
// taken at once after a change tells of the change before it. So each reading
// comes after a grace period and with the slab caches shrunk, and readings are
// repeated until they stand still.
type Settling struct {
	Every  time.Duration // between two readings
	Still  int           // readings in a row that must agree
	Within time.Duration // after so long it is given up, and the trial flagged
	Cgroup bool          // readings of the cgroup alone must agree
}

// SlabTolerance is by how much SUnreclaim may move, in bytes, between
// readings that still count as equal. It is system-wide: something always
// happens.
const SlabTolerance = 16 << 10

// A clock is time as settling needs it, to be replaced in tests.
type clock interface {
	Now() time.Time
	Sleep(context.Context, time.Duration) error
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error { return wait.Sleep(ctx, d) }

// settle reads until the readings stand still and, if reached is not nil,
// also until reached accepts one. It returns the last reading and, when time
// ran out first, what was still moving; readings that stand still elsewhere
// than hoped for are not moving, and the caller sees where they stand.
//
// Where somebody else keeps the slab caches moving, it returns the reading that
// lies in the middle of those since the army's own instruments stood still: the
// last one is as far off as chance will have it.
func (s Settling) settle(ctx context.Context, c clock, read func() (Sample, error), reached func(Sample) bool) (Sample, string, error) {
	start := c.Now()
	last, err := read()
	if err != nil {
		return last, "", err
	}
	still, restless := 1, "the kernel, in too few readings,"
	like := []Sample{last} // readings that differ in nothing but the slab caches
	for {
		if still >= s.Still {
			restless = ""
			if reached == nil || reached(last) {
				return last, "", nil
			}
		}
		if c.Now().Sub(start) >= s.Within {
			if restless == movedSlab {
				return middle(like), restless, nil
			}
			return last, restless, nil
		}
		if err := c.Sleep(ctx, s.Every); err != nil {
			return last, "", err
		}
		next, err := read()
		if err != nil {
			return next, "", err
		}
		switch what := moved(last, next); {
		case what == "", what == movedSlab && s.Cgroup:
			still++
		case what == movedSlab: // says nothing of the cgroup
			still, restless = 1, what
		default:
			still, restless = 1, what
			like = like[:0]
		}
		last = next
		like = append(like, last)
	}
}

// settle waits for a quiet kernel and returns its last reading. All slab caches
// are shrunk before the first reading, and before each further one those that
// have changed since: a cache costs a millisecond where the kernel is emulated.
func (l *Lab) settle(ctx context.Context, s sampler, settling Settling, reached func(Sample) bool) (Sample, string, error) {
	caches := l.Instruments.caches
	var last *measure.Slabinfo
	return settling.settle(ctx, systemClock{}, func() (Sample, error) {
		gracePeriod()
		for _, cache := range caches {
			// A cache may have gone with its module.
			if err := l.FS.ShrinkSlab(cache); err != nil && !errors.Is(err, measure.ErrNotSupported) {
				return Sample{}, err
			}
		}
		sample, err := s.sample()
		if sample.Slab != nil {
			caches = nil
			if last != nil {
				caches = changed(*last, *sample.Slab, l.Instruments.caches)
			}
			last = sample.Slab
		}
		return sample, err
	}, reached)
}

// changed returns those caches that differ between two readings.
func changed(a, b measure.Slabinfo, caches []string) []string {
	return slices.DeleteFunc(slices.Clone(caches), func(name string) bool {
		before, ok1 := a.Lookup(name)
		after, ok2 := b.Lookup(name)
		return ok1 && ok2 && before == after
	})
}

// middle returns the reading with the median of SUnreclaim.
func middle(readings []Sample) Sample {
	slices.SortFunc(readings, func(a, b Sample) int { return cmp.Compare(a.Mem.SUnreclaim, b.Mem.SUnreclaim) })
	return readings[len(readings)/2]
}

// moved names the reading that differs between two samples; "" if none does.
func moved(a, b Sample) string {
	switch {
	case a.Pids != nil && *a.Pids != *b.Pids:
		return "pids.current"
	case a.Kmem != nil && *a.Kmem != *b.Kmem:
		return "the cgroup's kernel memory"
	case a.Mem != nil && distance(a.Mem.SUnreclaim, b.Mem.SUnreclaim) > SlabTolerance:
		return movedSlab
	}
	return ""
}

// movedSlab is the reading that tells of the whole system.
const movedSlab = "SUnreclaim"

// gracePeriod waits until every object that was given to RCU before may be
// freed: membarrier(2) with MEMBARRIER_CMD_GLOBAL is a synchronize_rcu for
// user space (kernel/sched/membarrier.c, Linux 4.3). A kernel without it, or
// one with nohz_full CPUs, refuses; then waiting for stillness has to do
// alone.
func gracePeriod() {
	const cmdGlobal = 1 // MEMBARRIER_CMD_GLOBAL, include/uapi/linux/membarrier.h
	unix.Syscall(unix.SYS_MEMBARRIER, cmdGlobal, 0, 0)
}
