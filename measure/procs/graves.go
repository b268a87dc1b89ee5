package procs

import (
	"strings"

	"zombench/measure"
)

// deleted ends the path of a cgroup that was removed while a process was in it
// (cgroups(7), /proc/PID/cgroup). Version 2 alone shows it of a zombie: version 1
// says that an ended process is in the root.
const deleted = " (deleted)"

// removedCgroup returns the cgroup of a zombie if it was removed, "" if not. Such
// a cgroup is gone from the file system and kept in memory, with all of its
// controllers, until its last zombie is reaped.
func removedCgroup(fs measure.FS, pid int) string {
	path, err := fs.CgroupPath(pid)
	if err != nil || !strings.HasSuffix(path, deleted) {
		return ""
	}
	return path
}
