package measure

import (
	"os"
	"path/filepath"
	"strings"
)

// The inode numbers of the first namespaces are fixed (PROC_USER_INIT_INO and
// PROC_PID_INIT_INO of include/linux/proc_ns.h, Linux 3.8).
const (
	initialUser = "user:[4026531837]"
	initialPid  = "pid:[4026531836]"
)

// InitialUserNamespace reports whether a process is in the first user
// namespace. Where the link may not be read, or does not exist
// (CONFIG_NAMESPACES), a mapping of all uids to themselves tells as much;
// without that there is only one namespace.
func (fs FS) InitialUserNamespace(pid int) bool {
	dir := fs.PIDDir(pid)
	if link, err := os.Readlink(filepath.Join(dir, "ns", "user")); err == nil {
		return link == initialUser
	}
	data, err := os.ReadFile(filepath.Join(dir, "uid_map"))
	if err != nil {
		return os.IsNotExist(err)
	}
	return strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

// InitialPIDNamespace reports whether the reading process is in the first pid
// namespace; a kernel without the link (CONFIG_PID_NS) has no other.
func (fs FS) InitialPIDNamespace() bool {
	link, err := os.Readlink(fs.proc("self", "ns", "pid"))
	return err != nil || link == initialPid
}
