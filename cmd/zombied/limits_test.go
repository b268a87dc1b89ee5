package main

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/limits"
	"zombench/measure/measuretest"
)

// What the kernel has counted names the limit, however much room it shows when
// it is looked at; otherwise it is the one that leaves no room.
func TestExplain(t *testing.T) {
	const unit = "root/sys/fs/cgroup/user.slice/user-1000.slice/"
	const slice = "root/sys/fs/cgroup/user.slice/"
	counters := map[string]string{
		unit + "pids.events": "max 5\n", slice + "pids.events": "max 0\n",
		unit + "memory.events.local": "low 0\nmax 7\n", slice + "memory.events.local": "low 0\nmax 3\n",
		slice + "memory.max": "4294967296\n",
	}
	for _, tt := range []struct {
		name    string
		err     error
		missing int
		later   map[string]string // changed after the daemon began
		want    string            // part of the error
	}{
		{"memory.max has refused", unix.ENOMEM, 10, map[string]string{unit + "memory.events.local": "low 0\nmax 8\n"},
			"cannot allocate memory: memory.max was reached (" + unit + "memory.max: 2147483648, 73741824 in use); raise it with: systemctl set-property --runtime user-1000.slice MemoryMax="},
		{"the one above has", unix.ENOMEM, 10, map[string]string{slice + "memory.events.local": "low 0\nmax 4\n"},
			"memory.max was reached (" + slice + "memory.max: 4294967296, 1000 in use); raise it with: systemctl set-property --runtime user.slice MemoryMax="},
		{"nothing was counted, memory.max is full", unix.ENOMEM, 10, map[string]string{unit + "memory.current": "2147480000\n"},
			"memory.max was reached (" + unit + "memory.max: 2147483648, 2147480000 in use)"},
		{"nothing was counted, nothing is full", unix.ENOMEM, 10, nil, "cannot allocate memory: which limit was reached is unknown"},
		{"pids.max has refused", unix.EAGAIN, 10, map[string]string{unit + "pids.events": "max 6\n"},
			"resource temporarily unavailable: pids.max was reached (" + unit + "pids.max: 18638, 12 in use); raise it with: systemctl set-property --runtime user-1000.slice TasksMax=19000"},
		{"nothing was counted, the user has no room", unix.EAGAIN, 10, map[string]string{"proc/400/limits": "Max processes 5 5 processes\nMax open files 1024 4096 files\n"},
			"RLIMIT_NPROC was reached (proc/self/limits: 5, 2 in use); raise it with: sudo prlimit"},
		{"a counter of memory says nothing of tasks", unix.EAGAIN, 10, map[string]string{unit + "memory.events.local": "max 8\n"},
			"resource temporarily unavailable: which limit was reached is unknown"},
		{"descriptors", unix.EMFILE, 2000, map[string]string{"proc/400/fd/0": ""}, "too many open files: RLIMIT_NOFILE was reached (proc/self/limits: 1024, 1 in use)"},
		{"no limit", unix.EPERM, 10, map[string]string{unit + "pids.events": "max 6\n"}, "operation not permitted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			measuretest.Machine(t, nil, counters)
			w := newLimitWatch(startOptions{parallel: 4, spawn: "exec"}, measure.FS{Proc: measuretest.Proc, Sys: measuretest.Sys, Root: measuretest.Root})
			measuretest.Put(t, ".", tt.later)
			err := w.explain(tt.err, tt.missing)
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if e, ok := errors.AsType[*limits.Error](err); ok != strings.Contains(tt.want, "was reached (") || ok && !e.Refused {
				t.Errorf("%+v", e)
			}
		})
	}
}
