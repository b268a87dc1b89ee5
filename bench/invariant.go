package bench

import (
	"fmt"
	"math"
)

// KmemTolerance is by how much a cgroup's kernel memory may differ, in bytes,
// between two moments at which it holds the same objects. Objects are charged by
// the page, and what is left of the pages is kept, up to a page in the stock of
// each CPU and up to one with the cgroup (mm/memcontrol.c, obj_stock and
// nr_charged_bytes): two pages were seen on machines of one CPU, on larger ones
// never more than one for each CPU.
//
// Where measure.Memcg.Batched holds, each CPU keeps back up to 32 pages of
// change (MEMCG_CHARGE_BATCH): a difference of two readings may be off by twice
// that.
func (l *Lab) KmemTolerance() uint64 {
	pages := max(2, l.Machine.CPUs)
	if l.Instruments.batched {
		pages = 2 * 32 * l.Machine.CPUs
	}
	return uint64(pages * l.Machine.PageSize)
}

// Returned says what has not come back to where it was before the army; ""
// if all has.
func (l *Lab) Returned(before, reaped Sample) string {
	switch {
	case before.Pids != nil && *before.Pids != *reaped.Pids:
		return fmt.Sprintf("pids.current is %d after the reap and was %d before the army", *reaped.Pids, *before.Pids)
	case before.Kmem != nil && distance(*before.Kmem, *reaped.Kmem) > l.KmemTolerance():
		return fmt.Sprintf("kernel memory changed by %+.0f B over the whole trial, which is more than %d B: a kernel leak, or a foreign process in the cgroup",
			Delta(*before.Kmem, *reaped.Kmem), l.KmemTolerance())
	}
	return ""
}

// Delta returns after-before of two readings, which may go down.
func Delta(before, after uint64) float64 { return float64(int64(after - before)) }

// distance returns by how much two readings differ.
func distance(a, b uint64) uint64 { return uint64(math.Abs(Delta(a, b))) }

// Change returns by how much a reading has changed; false if it was not taken.
func Change(before, after *uint64) (float64, bool) {
	if before == nil || after == nil {
		return 0, false
	}
	return Delta(*before, *after), true
}
