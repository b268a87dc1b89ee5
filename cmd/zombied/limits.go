package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"

	"zombench/cmd/zombied/internal/army"
	"zombench/measure"
	"zombench/measure/limits"

	"golang.org/x/sys/unix"
)

// bytesPerZombie is what one zombie is assumed to take when the preflight asks
// whether the army fits: 10 400 bytes of slab pages were measured (Linux 6.18,
// amd64), 11 600 with the pidfd that os-exec keeps; the rest is a margin for
// larger pages.
const bytesPerZombie = 16 << 10

// A limitWatch checks the limits that an army meets beforehand, and finds out
// afterwards which of them refused a child.
type limitWatch struct {
	options  startOptions
	kernel   measure.FS
	counters []counter // of the cgroups of this process
}

// A counter is the kernel's own count of how often a cgroup refused something.
type counter struct {
	unit   string // of the limits that it counts for
	dir    string // of the cgroup that has the limit; "" if it may be one above
	read   func() (uint64, error)
	before uint64 // when the daemon began
}

// rose reports whether the cgroup has refused something since.
func (c counter) rose() bool {
	now, err := c.read()
	return err == nil && now > c.before
}

func newLimitWatch(o startOptions, kernel measure.FS) *limitWatch {
	w := &limitWatch{options: o, kernel: kernel}
	// Without cgroups, or where they cannot be read, there is nothing to watch.
	membership, err := kernel.Cgroups(0)
	if err != nil {
		return w
	}
	add := func(unit, dir string, read func() (uint64, error)) {
		if n, err := read(); err == nil {
			w.counters = append(w.counters, counter{unit, dir, read, n})
		}
	}
	if h, err := membership.Controller("pids"); err == nil {
		for _, dir := range h.Ancestors() {
			// Before Linux 6.11 the cgroup of the task counts, not that of the limit.
			add(limits.Processes, "", measure.Pids{Dir: dir}.EventsMax)
		}
	}
	if h, err := membership.Controller("memory"); err == nil {
		for _, dir := range h.Ancestors() {
			add(limits.Bytes, dir, measure.Memcg{Dir: dir, Version: h.Version}.EventsMax)
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
		return fmt.Errorf("%d zombies do not fit: %w (--force creates as many as fit)", w.options.count, err)
	}
	return nil
}

// explain adds to the error of a spawn which limit refused it, if that can be
// found out; missing is how many children are still wanted.
func (w *limitWatch) explain(err error, missing int) error {
	if !army.OutOfRoom(err) {
		return err
	}
	q := w.query(max(missing, 1))
	found, _ := limits.Read(w.kernel, q) // those that can be read

	// What the kernel has counted is certain; of several such cgroups, the
	// fullest is the likeliest. Otherwise a limit that leaves no room will be it.
	counted := func(l limits.Limit) bool {
		for _, c := range w.counters {
			dir := filepath.Dir(l.Where)
			if c.unit == l.Unit && (c.dir == dir || c.dir == "" && l.Name == "pids.max") && c.rose() {
				return true
			}
		}
		return false
	}
	full := func(l limits.Limit) bool {
		switch l.Unit {
		case limits.Processes:
			return l.Room() <= uint64(w.options.parallel)
		case limits.Bytes:
			return q.Check([]limits.Limit{l}) != nil
		}
		return true // descriptors are counted by the process itself
	}
	errno, _ := errors.AsType[unix.Errno](err)
	unit := map[unix.Errno]string{unix.EAGAIN: limits.Processes, unix.ENOMEM: limits.Bytes, unix.EMFILE: limits.Descriptors}[errno]
	for _, possible := range []func(limits.Limit) bool{counted, full} {
		suspects := slices.DeleteFunc(slices.Clone(found), func(l limits.Limit) bool {
			return l.Unit != unit || l.Unlimited || !l.Binds || !possible(l)
		})
		if len(suspects) > 0 {
			culprit := slices.MinFunc(suspects, func(a, b limits.Limit) int { return cmp.Compare(a.Room(), b.Room()) })
			return fmt.Errorf("%w: %w", err, q.Refused(culprit))
		}
	}
	return fmt.Errorf("%w: which limit was reached is unknown", err)
}
