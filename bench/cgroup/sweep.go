package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
	"zombench/measure"
)

// Leftovers lists the cgroups under the given directories that processes made
// which are gone, sorted within each directory. If makers are given, only what
// processes with these pids made. A leaf (see Parent) is no leftover: who lives
// in it is not to be killed but moved, see Parent.Restore. A directory that is
// gone has none.
func Leftovers(dirs []string, makers ...int) ([]string, error) {
	all, err := made(dirs, makers)
	return slices.DeleteFunc(all, inUse), err
}

// made lists the cgroups under the given directories that Fresh has made, in use or not.
func made(dirs []string, makers []int) ([]string, error) {
	var (
		found []string
		errs  []error
	)
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("looking for cgroups of earlier runs: %w", err))
		}
		for _, e := range entries {
			maker, ok := makerOf(e.Name())
			if e.IsDir() && ok && (len(makers) == 0 || slices.Contains(makers, maker)) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	return found, errors.Join(errs...)
}

// makerOf returns the process that a cgroup is named after.
func makerOf(name string) (pid int, ok bool) {
	name, ok = strings.CutPrefix(name, Prefix)
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(name, "-")
	pid, err := strconv.Atoi(digits)
	return pid, ok && err == nil && pid > 0
}

// inUse reports whether the process that made a cgroup lives.
func inUse(path string) bool {
	f, err := lock(path, unix.LOCK_SH|unix.LOCK_NB)
	if err != nil {
		return errors.Is(err, unix.EWOULDBLOCK)
	}
	f.Close()
	return false
}

// AwaitRelease waits until none of our cgroups under dirs is in use, or ctx
// ends. A process that was killed closes its files one after the other: who
// has learned of its end by one of them may find others still open.
func AwaitRelease(ctx context.Context, dirs []string, makers ...int) {
	for {
		all, _ := made(dirs, makers)
		if !slices.ContainsFunc(all, inUse) || wait.Sleep(ctx, time.Millisecond) != nil {
			return
		}
	}
}

// AwaitExit waits until no process lives in the leftovers under dirs. It gives
// up when ctx ends, and when for as long as patience nothing has become of
// them: a daemon that reaps a million zombies takes its time, and the tasks
// that its cgroup is charged for grow fewer all the while. Makers are as for
// Leftovers.
func AwaitExit(ctx context.Context, patience time.Duration, dirs []string, makers ...int) error {
	fewest, since := uint64(math.MaxUint64), time.Now()
	for {
		left, err := Leftovers(dirs, makers...)
		if err != nil {
			return err
		}
		alive, tasks := 0, uint64(0)
		for _, path := range left {
			_ = walk(path, func(path string) error {
				pids, _ := procs(path)
				alive += len(pids)
				return nil
			})
			n, _ := measure.Pids{Dir: path}.Current() // 0 where it is the memory hierarchy's
			tasks += n
		}
		if alive == 0 {
			return nil
		}
		if tasks < fewest {
			fewest, since = tasks, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("%d processes still live in %s", alive, strings.Join(left, ", "))
		}
		if err := wait.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// Sweep kills what lives in the leftovers under dirs, by SIGKILL and only
// there, and removes them. It returns the directories that it removed. Until
// ctx ends it tries again what is busy; it tries everything at least once.
// Makers are as for Leftovers.
func Sweep(ctx context.Context, dirs []string, makers ...int) (removed []string, err error) {
	left, err := Leftovers(dirs, makers...)
	errs := []error{err}
	for _, path := range left {
		if err := sweep(ctx, path); err != nil {
			errs = append(errs, fmt.Errorf("clearing up %s: %w", path, err))
			continue
		}
		removed = append(removed, path)
	}
	return removed, errors.Join(errs...)
}

// sweep empties and removes one cgroup with all that is below it.
func sweep(ctx context.Context, path string) error {
	for {
		var killErr error
		err := walk(path, func(path string) error {
			killErr = errors.Join(killErr, kill(path))
			err := unix.Rmdir(path)
			if err == nil || errors.Is(err, unix.ENOENT) {
				return nil
			}
			return &fs.PathError{Op: "rmdir", Path: path, Err: err}
		})
		if err == nil {
			return nil
		}
		if killErr != nil {
			return errors.Join(killErr, err)
		}
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		if wait.Sleep(ctx, 5*time.Millisecond) != nil {
			return err
		}
	}
}

// walk calls do for a cgroup and all below it, children first, and returns the
// first error after having visited all.
func walk(path string, do func(path string) error) error {
	entries, err := os.ReadDir(path)
	if gone(err) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if werr := walk(filepath.Join(path, e.Name()), do); err == nil {
				err = werr
			}
		}
	}
	if derr := do(path); err == nil {
		err = derr
	}
	return err
}

// kill kills the processes that live in one cgroup.
func kill(path string) error {
	pids, err := procs(path)
	if gone(err) {
		return nil
	} else if err != nil {
		return err
	}
	if len(pids) == 0 {
		return nil
	}
	if slices.Contains(pids, os.Getpid()) {
		return errors.New("this process itself lives in it")
	}
	// All at once where the kernel can (version 2 since Linux 5.14), so that
	// nothing forks its way out between two of our signals.
	if err := write(filepath.Join(path, "cgroup.kill"), "1"); err == nil || gone(err) && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, pid := range pids {
		if err := killIn(path, pid); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("killing %d: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

// killIn kills one process of a cgroup, and no other that has got its pid
// meanwhile: what the descriptor names is signalled only after the pid was seen
// in the cgroup once more.
func killIn(path string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err // ESRCH: ended by itself. pid 0, of another namespace: EINVAL.
	}
	defer unix.Close(fd)
	pids, err := procs(path)
	if err != nil {
		return nil // gone, and the process with it
	}
	if !slices.Contains(pids, pid) {
		return nil
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}
