package janitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"zombench/bench/cgroup"
)

// releaseTime bounds the wait for a dead run's locks: the kernel closes the
// files of a dead process one after the other, and the one that woke us may
// have been the first.
const releaseTime = 250 * time.Millisecond

// Cleared is what was left of earlier runs and is no more.
type Cleared struct {
	Cgroups []string // directories
	Sysctls []string // "name = value", as it was put back
}

// Empty reports whether there was nothing.
func (c Cleared) Empty() bool { return len(c.Cgroups) == 0 && len(c.Sysctls) == 0 }

// String tells it in one line, for people.
func (c Cleared) String() string {
	var parts []string
	if len(c.Cgroups) > 0 {
		parts = append(parts, "removed "+strings.Join(c.Cgroups, ", "))
	}
	if len(c.Sysctls) > 0 {
		parts = append(parts, "put back "+strings.Join(c.Sysctls, ", "))
	}
	if len(parts) == 0 {
		return "nothing was left of an earlier run"
	}
	return "cleared up after an earlier run: " + strings.Join(parts, "; ")
}

// ClearUp undoes what earlier runs entered in the journal and could not undo
// themselves, and kills and removes what is left of them under the further
// directories (the present run's Place.Dirs). What the present run has entered
// or made is not touched. What fails stays in the journal for the next one.
func (l *Lock) ClearUp(ctx context.Context, dirs ...string) (Cleared, error) {
	return l.clearUp(ctx, dirs)
}

// clearUp does it for the cgroups of certain makers only, if any are given.
func (l *Lock) clearUp(ctx context.Context, dirs []string, makers ...int) (Cleared, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		cleared Cleared
		errs    = []error{l.broken}
		err     error
	)
	l.broken = nil
	all := slices.Concat(l.earlierDirs(), dirs)
	slices.Sort(all)
	all = slices.Compact(all)

	release, cancel := context.WithTimeout(ctx, releaseTime)
	cgroup.AwaitRelease(release, all, makers...)
	cancel()
	cleared.Cgroups, err = cgroup.Sweep(ctx, all, makers...)
	errs = append(errs, err)

	l.earlier.Dirs = slices.DeleteFunc(l.earlier.Dirs, func(p cgroup.Parent) bool {
		if l.inherit(p) {
			return true
		}
		perr := p.Restore()
		if perr != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Dir, perr))
		}
		left, lerr := cgroup.Leftovers([]string{p.Dir})
		return perr == nil && lerr == nil && len(left) == 0
	})
	for _, name := range slices.Sorted(maps.Keys(l.earlier.Sysctls)) {
		old := l.earlier.Sysctls[name]
		if err := l.fs.SetSysctl(name, old); err != nil {
			errs = append(errs, err)
			continue
		}
		cleared.Sysctls = append(cleared.Sysctls, name+" = "+old)
		delete(l.earlier.Sysctls, name)
	}
	return cleared, errors.Join(append(errs, l.save())...)
}

// inherit makes what an earlier run did to a parent the present run's own, if
// it uses the same: it stands on it (a controller that is enabled already it
// has not enabled itself), so it is to be undone at its end and not before.
func (l *Lock) inherit(p cgroup.Parent) bool {
	i := slices.IndexFunc(l.journal.Dirs, func(q cgroup.Parent) bool { return q.Dir == p.Dir })
	if i < 0 {
		return false
	}
	q := &l.journal.Dirs[i]
	q.Leaf = q.Leaf || p.Leaf
	for _, c := range p.Enabled {
		if !slices.Contains(q.Enabled, c) {
			q.Enabled = append(slices.Clip(q.Enabled), c)
		}
	}
	return true
}

func (l *Lock) earlierDirs() []string {
	var dirs []string
	for _, p := range l.earlier.Dirs {
		dirs = append(dirs, p.Dir)
	}
	return dirs
}
