package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"zombench/measure"
)

// Above returns the memory accounting of the cgroup above; false if there is
// none, or if it is the root, which stands for the whole system.
func (c *Cgroup) Above() (measure.Memcg, bool) {
	if c.memory == nil {
		return measure.Memcg{}, false
	}
	above := *c.memory
	above.Dir = filepath.Dir(above.Dir)
	if device(above.Dir) != device(filepath.Dir(above.Dir)) {
		return measure.Memcg{}, false
	}
	return above, true
}

// device returns the file system of a directory: each hierarchy is one.
func device(dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Dev)
}

// Dying counts the cgroups that were removed and are still there, since
// something holds them: a zombie, for instance. In version 2 these are the ones
// that were below this cgroup (nr_dying_descendants of cgroup.stat, Linux 4.14).
// Version 1 tells only how many there are in the whole hierarchy (/proc/cgroups,
// which counts the dying ones too); the directories that its mount shows are
// subtracted.
func (c *Cgroup) Dying(fs measure.FS) (uint64, error) {
	for _, d := range c.dirs {
		if d.path != c.pids.Dir {
			continue
		}
		if d.version == 2 {
			return dyingBelow(d.path)
		}
		return dyingAnywhere(fs, d.path)
	}
	return 0, measure.ErrNotSupported
}

func dyingBelow(dir string) (uint64, error) {
	path := filepath.Join(dir, "cgroup.stat")
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "nr_dying_descendants "); ok {
			return strconv.ParseUint(n, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no nr_dying_descendants: %w", path, measure.ErrNotSupported)
}

func dyingAnywhere(fs measure.FS, dir string) (uint64, error) {
	root := dir
	for device(filepath.Dir(root)) == device(dir) {
		root = filepath.Dir(root)
	}
	var all, visible uint64
	for range 10 { // others make and remove cgroups between the two readings
		data, err := os.ReadFile(filepath.Join(fs.Proc, "cgroups"))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(data)) {
			// subsys_name hierarchy num_cgroups enabled
			if f := strings.Fields(line); len(f) == 4 && f[0] == pids {
				if all, err = strconv.ParseUint(f[2], 10, 64); err != nil {
					return 0, fmt.Errorf("%w: /proc/cgroups: %w", measure.ErrMalformed, err)
				}
			}
		}
		visible = 0
		err = walk(root, func(string) error { visible++; return nil })
		if visible <= all || err != nil {
			return all - visible, err
		}
	}
	return 0, fmt.Errorf("%w: %d cgroups are to be seen and /proc/cgroups tells of %d", measure.ErrMalformed, visible, all)
}
