package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"

	"zombench/cmd/zombied/internal/army"
	"zombench/measure"
	"zombench/measure/limits"

	"golang.org/x/sys/unix"
)

// bytesPerZombie is what one zombie is taken to need when the memory is asked
// whether the army will fit: 10 400 bytes of slab pages were measured (Linux
// 6.18, amd64), 11 600 with the pidfd that os-exec keeps, and some more is left
// for larger pages.
const bytesPerZombie = 16 << 10

// A limitWatch knows the limits that an army meets: it asks them beforehand, and
// finds out afterwards which of them it was.
type limitWatch struct {
	options startOptions
	kernel  measure.FS
	groups  []pidsGroup // the cgroups of this process, its own first
}

// A pidsGroup is one cgroup, and how often its pids.max had refused a fork when
// the daemon began.
type pidsGroup struct {
	measure.Pids
	refused uint64
}

func newLimitWatch(o startOptions) *limitWatch {
	w := &limitWatch{options: o, kernel: measure.Host()}
	// Without cgroups, or where they cannot be read, there is nothing to watch.
	membership, err := w.kernel.Cgroups(0)
	if err != nil {
		return w
	}
	h, err := membership.Controller("pids")
	if err != nil {
		return w
	}
	for _, dir := range h.Ancestors() {
		g := pidsGroup{Pids: measure.Pids{Dir: dir}}
		if g.refused, err = g.EventsMax(); err == nil {
			w.groups = append(w.groups, g)
		}
	}
	return w
}

// query asks for n zombies.
func (w *limitWatch) query(n int) limits.Query {
	q := limits.Query{
		Count:          uint64(n),
		BytesPerZombie: bytesPerZombie,
		Descriptors:    8 * uint64(w.options.parallel), // what starting one child takes for a moment
	}
	if w.options.spawn == "os-exec" {
		q.Descriptors += uint64(n)
	}
	return q
}

// preflight refuses an army that would not fit. It reads all of /proc, which
// leaves traces in the kernel's memory; with --force it reads nothing.
func (w *limitWatch) preflight(log *slog.Logger) error {
	if w.options.force {
		return nil
	}
	q := w.query(w.options.count)
	q.ExtraTasks = uint64(w.options.parallel + army.Spares + 2*runtime.GOMAXPROCS(0))
	found, err := limits.Read(w.kernel, q)
	if err != nil {
		log.Warn("some limits could not be read", "err", err)
	}
	if err := q.Check(found); err != nil {
		return fmt.Errorf("%d zombies will not fit: %w (or go as far as it goes with --force)", w.options.count, err)
	}
	return nil
}

// explain adds to the error of a spawn which limit it met, if that can be found
// out; missing is how many children are still wanted.
func (w *limitWatch) explain(err error, missing int) error {
	if !army.OutOfRoom(err) {
		return err
	}
	q := w.query(max(missing, 1))
	all, _ := limits.Read(w.kernel, q)
	culprit := func(possible func(limits.Limit) bool) error {
		found := limits.Limit{}
		room := uint64(math.MaxUint64)
		for _, l := range all {
			if r := l.Room(); possible(l) && r < room {
				found, room = l, r
			}
		}
		if room == math.MaxUint64 {
			return nil
		}
		return q.Check([]limits.Limit{found})
	}
	full := func(unit string) func(limits.Limit) bool {
		return func(l limits.Limit) bool { return l.Unit == unit && l.Room() <= uint64(w.options.parallel) }
	}

	var cause error
	switch {
	case errors.Is(err, unix.EAGAIN) && w.refused():
		// The kernel has counted it; which of the cgroups above was full, only
		// their numbers tell.
		cause = culprit(func(l limits.Limit) bool { return l.Name == "pids.max" })
	case errors.Is(err, unix.EAGAIN):
		cause = culprit(full(limits.Processes))
	case errors.Is(err, unix.EMFILE):
		cause = culprit(func(l limits.Limit) bool { return l.Unit == limits.Descriptors })
	case errors.Is(err, unix.ENOMEM):
		cause = culprit(func(l limits.Limit) bool {
			return l.Unit == limits.Bytes && q.Check([]limits.Limit{l}) != nil
		})
	}
	if cause == nil {
		cause = errors.New("the limit is unknown")
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// refused tells whether pids.max of some cgroup has refused a fork since the
// daemon began.
func (w *limitWatch) refused() bool {
	for _, g := range w.groups {
		if now, err := g.EventsMax(); err == nil && now > g.refused {
			return true
		}
	}
	return false
}
