package dress

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// A cgroupUse says what cgroups a child needs.
type cgroupUse int

const (
	own     cgroupUse = 1 << iota // one for itself
	removed                       // it is removed as soon as the child is dead
	small                         // one for all children, of little memory
)

// smallMemory is what the children that are killed for it may have, in bytes.
const smallMemory = 8 << 20

// cgroups makes cgroups for children below the daemon's own: one directory for
// each hierarchy that counts pids or memory.
type cgroups struct {
	bases []string // v1: one for each hierarchy; v2: the one
	v2    string   // of bases, the one of version 2; "" if there is none
	small []string // directories of the cgroup of little memory

	mu    sync.Mutex
	made  int
	alive [][]string // directories of those that are there
}

// newCgroups finds where cgroups can be made. In version 2 who hands down
// controllers may have no processes (cgroup-v2.rst, "No Internal Process
// Constraint"), so the daemon moves into a leaf first; close brings it back.
func newCgroups(use cgroupUse) (_ *cgroups, err error) {
	membership, err := measure.Host().Cgroups(0)
	if err != nil {
		return nil, err
	}
	c := &cgroups{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	memory := "" // the base that counts it
	for _, controller := range []string{"pids", "memory"} {
		h, err := membership.Controller(controller)
		if errors.Is(err, measure.ErrNotSupported) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if controller == "memory" {
			memory = h.Dir()
		}
		if slices.Contains(c.bases, h.Dir()) {
			continue // both in one hierarchy
		}
		if h.Version == 2 {
			if err := c.handDown(h.Dir()); err != nil {
				return nil, err
			}
		}
		c.bases = append(c.bases, h.Dir())
	}
	if len(c.bases) == 0 || use&small != 0 && memory == "" {
		return nil, fmt.Errorf("no cgroup hierarchy counts pids or memory: %w", errors.ErrUnsupported)
	}
	if use&small != 0 {
		if c.small, err = c.make("oom", []string{memory}); err != nil {
			return nil, err
		}
		file := "memory.limit_in_bytes"
		if memory == c.v2 {
			file = "memory.max"
			// Or it swaps instead.
			_ = os.WriteFile(filepath.Join(c.small[0], "memory.swap.max"), []byte("0"), 0)
		}
		if err := os.WriteFile(filepath.Join(c.small[0], file), []byte(strconv.Itoa(smallMemory)), 0); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func leaf(dir string) string { return filepath.Join(dir, "zombench-zombied") }

// handDown lets the cgroups below a directory have controllers.
func (c *cgroups) handDown(dir string) error {
	c.v2 = dir
	if err := os.Mkdir(leaf(dir), 0o755); err != nil {
		return err
	}
	if err := move(dir, leaf(dir)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+pids +memory"), 0)
}

// move moves this process from one directory into another, and whoever of the
// same program is there: another army may be raised beside this one. Others stay.
func move(from, to string) error {
	data, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		return err
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(data)) {
		exe, err := os.Stat(filepath.Join("/proc", pid, "exe"))
		if err != nil || !os.SameFile(self, exe) {
			continue
		}
		err = os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// fresh makes a cgroup for one child.
func (c *cgroups) fresh() (dirs []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	dirs, err = c.make(strconv.Itoa(c.made), c.bases)
	if err == nil {
		c.alive = append(c.alive, dirs)
	}
	return dirs, err
}

func (c *cgroups) make(name string, bases []string) (dirs []string, err error) {
	for _, base := range bases {
		dir := filepath.Join(base, fmt.Sprintf("zombench-dress-%d-%s", os.Getpid(), name))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, remove(dirs))
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// remove removes a cgroup. Its zombies are no hindrance, but who was only just
// seen dead may still be counted as living for a moment.
func remove(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		var err error
		for range 1000 {
			if err = unix.Rmdir(dir); err != unix.EBUSY {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err != nil && err != unix.ENOENT {
			errs = append(errs, &os.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return errors.Join(errs...)
}

// bury removes a cgroup whose child is dead.
func (c *cgroups) bury(dirs []string) error {
	c.mu.Lock()
	c.alive = slices.DeleteFunc(c.alive, func(alive []string) bool { return alive[0] == dirs[0] })
	c.mu.Unlock()
	return remove(dirs)
}

// clear removes all that are there.
func (c *cgroups) clear() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, dirs := range c.alive {
		errs = append(errs, remove(dirs))
	}
	c.alive = c.alive[:0]
	return errors.Join(errs...)
}

// close removes everything and moves back.
func (c *cgroups) close() error {
	errs := []error{c.clear(), remove(c.small)}
	if c.v2 != "" {
		errs = append(errs,
			os.WriteFile(filepath.Join(c.v2, "cgroup.subtree_control"), []byte("-pids -memory"), 0),
			move(leaf(c.v2), c.v2), remove([]string{leaf(c.v2)}))
	}
	return errors.Join(errs...)
}
