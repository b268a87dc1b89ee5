package limits

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"zombench/measure"
)

// tasks is what is taken of the limits on tasks, counted over all of /proc.
type tasks struct {
	seen    uint64
	of      map[uint64]uint64 // by real uid; a zombie is a task until it is reaped
	numbers pidSet            // taken: those of tasks, and of groups and sessions that outlive their leaders
	sawInit bool              // false: /proc hides the processes of others (hidepid)
}

// Tasks calls each for every thread of the machine.
type Tasks func(each func(measure.Task)) error

// count counts tasks, by a walk of /proc if all is nil. Numbers from pidMax on are
// left out.
func (all Tasks) count(fs measure.FS, pidMax uint64) (tasks, error) {
	if all == nil {
		all = func(each func(measure.Task)) error { return walk(fs, each) }
	}
	t := tasks{of: make(map[uint64]uint64), numbers: newPidSet(pidMax)}
	err := all(func(k measure.Task) {
		t.sawInit = t.sawInit || k.TID == 1
		t.seen++
		t.of[k.UID]++
		for _, number := range []int{k.TID, k.Group, k.Session} {
			t.numbers.add(number)
		}
	})
	if err != nil {
		err = fmt.Errorf("counting tasks: %w", err)
	}
	return t, err
}

// unknownUser is whose a task is that /proc does not tell of.
const unknownUser = math.MaxUint64

// walk lists the tasks in /proc.
func walk(fs measure.FS, each func(measure.Task)) error {
	pids, err := fs.PIDs()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		s, err := fs.Status(pid)
		switch {
		case errors.Is(err, measure.ErrNotPermitted): // hidepid=1; it is another user's
			each(measure.Task{Group: pid, UID: unknownUser})
			continue
		case measure.Gone(err):
			continue
		case err != nil:
			return err
		}
		tids := []int{pid}
		if s.Threads > 1 {
			all, err := fs.Tasks(pid)
			if err != nil && !measure.Gone(err) && !errors.Is(err, measure.ErrNotPermitted) {
				return err
			}
			tids = append(tids, slices.DeleteFunc(all, func(tid int) bool { return tid == pid })...)
		}
		for _, tid := range tids {
			each(measure.Task{TID: tid, Group: s.Group, Session: s.Session, UID: s.UID})
		}
	}
	return nil
}

// pidSet is a set of process numbers.
type pidSet struct {
	words []uint64
	limit uint64
}

// newPidSet makes a set of the numbers below limit.
func newPidSet(limit uint64) pidSet {
	const most = 1 << 30 // whatever a file says, the kernel has no greater number
	limit = min(limit, most)
	return pidSet{words: make([]uint64, (limit+63)/64), limit: limit}
}

func (s pidSet) add(pid int) {
	if n := uint64(pid); n < s.limit {
		s.words[n/64] |= 1 << (n % 64)
	}
}

// countFrom returns how many numbers from low up to below high are in the set.
func (s pidSet) countFrom(low, high uint64) uint64 {
	var n uint64
	for i, w := range s.words {
		first := uint64(i) * 64
		switch {
		case first+64 <= low || first >= high:
			continue
		case first < low:
			w &= ^uint64(0) << (low - first)
		}
		if first+64 > high {
			w &= 1<<(high-first) - 1
		}
		n += uint64(bits.OnesCount64(w))
	}
	return n
}
