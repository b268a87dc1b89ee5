package ledger

import (
	"slices"
	"strings"

	"zombench/results"
)

// known says what the kernel keeps in its caches that bears on zombies, by
// every name that a cache had from Linux 5.10 on (kernel/fork.c, kernel/pid.c,
// kernel/pid_namespace.c, kernel/cred.c, fs/file_table.c, fs/dcache.c,
// fs/pidfs.c, lib/radix-tree.c).
var known = map[string]struct{ what, structure string }{
	"task_struct":      {"the process: state, exit code, times", "task_struct"},
	"signal_cache":     {"what its threads share: limits, times", "signal_struct"},
	"sighand_cache":    {"signal handlers", "sighand_struct"},
	"pid":              {"its number, which stays taken", "pid"},
	"cred":             {"users, groups, capabilities", "cred"},
	"cred_jar":         {"users, groups, capabilities", "cred"},
	"radix_tree_node":  {"tree of all process numbers", "xa_node"},
	"filp":             {"open file: here the pidfd", "file"},
	"dentry":           {"name of a file", "dentry"},
	"inode_cache":      {"inode", "inode"},
	"pidfs_attr_cache": {"what a pidfd keeps of a process that ended", "pidfs_attr"},
	"lsm_inode_cache":  {"blob of security modules for an inode", ""},
	"lsm_file_cache":   {"blob of security modules for an open file", ""},
	"proc_inode_cache": {"inode below /proc/PID", "proc_inode"},
	"taskstats":        {"statistics of the threads that ended", "taskstats"},
	"kmalloc-cg-8":     {"small things: blobs of security modules", ""},
	"kmalloc-cg-16":    {"small things: blobs of security modules", ""},
	"kmalloc-cg-32":    {"small things: blobs of security modules", ""},
	"kmalloc-cg-64":    {"small things: blobs of security modules", ""},
}

// uses returns what is known of the names of one cache, in their order.
func uses(c results.Cache, facts *results.Facts) []Use {
	names := c.Aliases
	if len(names) == 0 {
		names = []string{c.Name}
	}
	var all []Use
	for _, name := range names {
		if k, ok := known[name]; ok {
			all = append(all, Use{name, k.what, k.structure, facts.StructBytes(k.structure)})
		}
	}
	return all
}

// Holds returns what a cache holds for a zombie, by names that are the same on all
// kernels: the general caches are one.
func (c Cache) Holds() (names []string) {
	for _, u := range c.Use {
		name := u.Cache
		if u.Struct != "" {
			name = u.Struct
		}
		if !slices.Contains(names, name) && !strings.HasPrefix(name, General) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) > 0:
		return names
	case strings.HasPrefix(c.Name, General):
		return []string{General}
	}
	return []string{c.Name}
}

// General is what the general caches are called.
const General = "kmalloc"
