package measure

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// CgroupAt returns the membership that a process in a cgroup would have. The
// cgroup is named by its directory in any mounted hierarchy, or by its path as
// /proc/PID/cgroup gives it. Hierarchies of version 1 are separate, and a
// cgroup in one need not have a namesake in another: where there is none, the
// membership says nothing of that hierarchy.
func (fs FS) CgroupAt(path string) (Membership, error) {
	var m Membership
	mounts, err := fs.cgroupMounts()
	if err != nil {
		return m, err
	}
	line := cgroupLine{path: filepath.Clean("/" + path)}
	if absolute, err := filepath.Abs(path); err == nil {
		for _, mt := range slices.Backward(mounts) {
			point, err := filepath.Abs(filepath.Join(fs.Root, mt.point))
			if rest, ok := under(point, absolute); ok && err == nil {
				line.path = filepath.Join(mt.root, rest)
				break
			}
		}
	}
	for _, mt := range mounts {
		line.controllers = nil
		if mt.version == 1 {
			line.controllers = slices.DeleteFunc(slices.Clone(mt.options), notController)
			if len(line.controllers) == 0 {
				continue
			}
		}
		if err := m.add(fs, line, mounts); err != nil {
			return m, err
		}
	}
	if len(m.hierarchies) == 0 {
		return m, fmt.Errorf("%s is not a cgroup of any mounted hierarchy", path)
	}
	return m, nil
}

// notController reports whether an option of a v1 superblock is not a controller
// (or the name) of its hierarchy.
func notController(option string) bool {
	switch option {
	case "rw", "ro", "noprefix", "clone_children", "cpuset_v2_mode", "xattr", "favordynmods":
		return true
	}
	return option == "" || strings.HasPrefix(option, "release_agent=")
}
