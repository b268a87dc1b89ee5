package measure

import (
	"fmt"
	"path/filepath"
)

// Pids is one cgroup of the pids controller, v1 or v2: the files are alike.
// It counts tasks: every thread, and every zombie until it is reaped.
type Pids struct{ Dir string }

// Current returns the number of tasks in the cgroup and its descendants.
func (p Pids) Current() (uint64, error) { return readUint(filepath.Join(p.Dir, "pids.current")) }

// Max returns the cgroup's own limit; those above it bind too. The root of a
// hierarchy has none: ErrNotSupported.
func (p Pids) Max() (limit uint64, unlimited bool, err error) {
	return readMax(filepath.Join(p.Dir, "pids.max"))
}

// Peak returns the greatest number of tasks there ever was (Linux 6.1).
func (p Pids) Peak() (uint64, error) {
	n, err := readUint(filepath.Join(p.Dir, "pids.peak"))
	if err != nil {
		return 0, fmt.Errorf("pids.peak (Linux 6.1): %w", err)
	}
	return n, nil
}

// EventsMax returns how many forks failed because a limit was hit: the one of
// this cgroup or of one below it since Linux 6.11; before, and on v1, one
// that stopped a task of this very cgroup.
func (p Pids) EventsMax() (uint64, error) {
	return readField(filepath.Join(p.Dir, "pids.events"), "max")
}
