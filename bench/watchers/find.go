package watchers

import (
	"cmp"
	"slices"
	"time"

	"zombench/measure/kmemtrace"
	"zombench/results"
)

// The functions of the kernel that allocate what a look at /proc/PID leaves:
// the inode of a file there, its dentry, and the blob of security modules for an
// inode (fs/proc/inode.c, fs/dcache.c, security/security.c).
const (
	allocInode  = "proc_alloc_inode"
	allocDentry = "__d_alloc"
)

var allocBlob = []string{"lsm_inode_alloc", "security_inode_alloc"}

// isLook reports whether a function allocates what a look leaves.
func isLook(function string) bool {
	return function == allocInode || function == allocDentry || slices.Contains(allocBlob, function)
}

// pause is how long a process does not look before its next look counts as
// another.
const pause = 100 * time.Millisecond

// Tracks are what the processes of one program left.
type tracks struct {
	processes map[int32]bool
	inodes    uint64
	objects   int64 // that are left
	bytes     int64
	starts    []uint64 // of looks, ns
	last      uint64   // ns
}

// find returns who made inodes below /proc, at least so many, the one that
// looked most first. caller names the function that allocated, command the
// program that a task runs; a process for which skip holds is none.
func find(events []kmemtrace.Event, least uint64, caller func(uint64) string, command func(task int32) string, skip func(pid int32) bool) []results.Watcher {
	all := make(map[string]*tracks)
	owner := make(map[uint64]struct {
		*tracks
		bytes int64
	})
	// Of a task: the dentry that came before the inode it is for.
	dentries := make(map[int32]kmemtrace.Event)
	inode := make(map[int32]*tracks) // it has just made one, and a blob for it may follow
	keep := func(t *tracks, e kmemtrace.Event) {
		t.objects++
		t.bytes += int64(e.Allocated)
		owner[e.Ptr] = struct {
			*tracks
			bytes int64
		}{t, int64(e.Allocated)}
	}
	for _, e := range events {
		if e.Kind == kmemtrace.Free {
			if o, ok := owner[e.Ptr]; ok {
				o.objects--
				o.tracks.bytes -= o.bytes
				delete(owner, e.Ptr)
			}
			continue
		}
		if e.Kind != kmemtrace.Alloc || e.Process == 0 || skip(e.Process) {
			continue
		}
		switch name := caller(e.CallSite); {
		case name == allocDentry:
			dentries[e.Task] = e
		case name == allocInode:
			who := command(e.Task)
			t := all[who]
			if t == nil {
				t = &tracks{processes: make(map[int32]bool)}
				all[who] = t
			}
			if len(t.starts) == 0 || e.Time-t.last > uint64(pause) {
				t.starts = append(t.starts, e.Time)
			}
			t.last = e.Time
			t.processes[e.Process] = true
			t.inodes++
			keep(t, e)
			if d, ok := dentries[e.Task]; ok {
				keep(t, d)
				delete(dentries, e.Task)
			}
			inode[e.Task] = t
		case slices.Contains(allocBlob, name):
			if t := inode[e.Task]; t != nil {
				keep(t, e)
				delete(inode, e.Task)
			}
		}
	}
	var found []results.Watcher
	for command, t := range all {
		if t.inodes < least {
			continue
		}
		w := results.Watcher{
			Command: command, Processes: uint64(len(t.processes)), Looks: uint64(len(t.starts)), Every: t.every(),
			Objects: uint64(max(t.objects, 0)), Bytes: uint64(max(t.bytes, 0)),
		}
		if len(t.processes) == 1 {
			for pid := range t.processes {
				w.PID = uint64(pid)
			}
		}
		found = append(found, w)
	}
	slices.SortFunc(found, func(a, b results.Watcher) int {
		return cmp.Or(cmp.Compare(b.Looks, a.Looks), cmp.Compare(a.Command, b.Command))
	})
	return found
}

// every returns the median time from one look to the next, 0 if there was one.
func (t *tracks) every() time.Duration {
	var gaps []uint64
	for i := range t.starts[1:] {
		gaps = append(gaps, t.starts[i+1]-t.starts[i])
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return time.Duration(gaps[len(gaps)/2])
}
