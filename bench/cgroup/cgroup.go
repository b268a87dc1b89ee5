package cgroup

import (
	"context"
	"errors"
	"fmt"
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

// Cgroup is a fresh cgroup: one directory in each hierarchy of its place.
type Cgroup struct {
	dirs   []dir
	pids   measure.Pids
	memory *measure.Memcg
}

type dir struct {
	path    string
	own     string // v1: where the calling process belongs
	version int
	lock    *os.File // the directory itself, flock'ed: this cgroup is in use
}

// Dirs returns the cgroup's directories, one for each hierarchy.
func (c *Cgroup) Dirs() []string {
	dirs := make([]string, len(c.dirs))
	for i, d := range c.dirs {
		dirs[i] = d.path
	}
	return dirs
}

// Pids returns the cgroup's counter of processes.
func (c *Cgroup) Pids() measure.Pids { return c.pids }

// Memory returns the cgroup's memory accounting; false if there is none.
func (c *Cgroup) Memory() (measure.Memcg, bool) {
	if c.memory == nil {
		return measure.Memcg{}, false
	}
	return *c.memory, true
}

// Procs lists the living processes in the cgroup. Zombies are counted by
// pids.current but not listed.
func (c *Cgroup) Procs() ([]int, error) { return procs(c.pids.Dir) }

// procs reads cgroup.procs: sorted, each process once (version 1 promises neither).
func procs(dir string) ([]int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", measure.ErrMalformed, filepath.Join(dir, "cgroup.procs"), err)
		}
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// Remove removes the cgroup from every hierarchy, even if one of them fails. As
// long as somebody lives in it the kernel refuses (EBUSY), and Remove tries
// again until ctx ends; it tries at least once. Zombies are no hindrance. What
// is gone already counts as removed, and what was made below it goes with it.
func (c *Cgroup) Remove(ctx context.Context) error {
	var errs []error
	for _, d := range c.dirs {
		if err := walk(d.path, func(path string) error { return rmdir(ctx, path) }); err != nil {
			errs = append(errs, fmt.Errorf("removing the cgroup: %w", err))
		}
	}
	return errors.Join(append(errs, c.unlock())...)
}

// abandon takes back a cgroup of which only some directories could be made.
func (c *Cgroup) abandon() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return c.Remove(ctx)
}

func (c *Cgroup) unlock() error {
	var errs []error
	for i := range c.dirs {
		if c.dirs[i].lock != nil {
			errs = append(errs, c.dirs[i].lock.Close())
			c.dirs[i].lock = nil
		}
	}
	return errors.Join(errs...)
}

// rmdir removes one directory, trying again while it is busy until ctx ends.
// unix.Rmdir and not os.Remove, which would try unlink first and for a user
// return that error.
func rmdir(ctx context.Context, path string) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Rmdir(path)
		switch {
		case err == nil || errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return &os.PathError{Op: "rmdir", Path: path, Err: err}
		}
		if wait.Sleep(ctx, pause) != nil {
			err := error(&os.PathError{Op: "rmdir", Path: path, Err: err})
			if left, perr := procs(path); perr == nil && len(left) > 0 {
				err = fmt.Errorf("%w: %d processes live in it, first pid %d", err, len(left), left[0])
			}
			return err
		}
	}
}
