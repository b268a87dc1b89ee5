package measure

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Status is what /proc/PID/status says of a process (proc_pid_status(5)).
type Status struct {
	Name    string // of the executable, escaped by the kernel, 15 bytes at most
	State   byte   // 'R', 'S', 'D', 'T', 'Z' ...
	PPid    int
	UID     uint64 // real
	Threads int
	NSpid   []int  // its pids, from this pid namespace to its own; empty before Linux 4.1, as are those below
	Group   int    // of processes, as seen from this /proc; 0 if outside of its pid namespace
	Session int    // likewise
	SigBlk  uint64 // signals blocked by the main thread, signal n being bit n-1
	SigIgn  uint64 // ignored
	SigCgt  uint64 // caught by a handler
	CapEff  uint64 // effective capabilities, capability n being bit n
}

// Init reports whether the process is the init of its pid namespace, which the
// orphans of the namespace fall to.
func (s Status) Init() bool {
	return len(s.NSpid) > 0 && s.NSpid[len(s.NSpid)-1] == 1
}

// A Disposition is what a process does about a signal (signal(7)).
type Disposition string

const (
	Ignored Disposition = "ignored" // SIG_IGN; of SIGCHLD: its children leave no zombies
	Handled Disposition = "handled" // by a handler
	Blocked Disposition = "blocked" // neither, but blocked: to be taken by sigwait(3) or signalfd(2)
	Default Disposition = "default" // SIG_DFL; of SIGCHLD: nothing happens
)

// Disposition returns what the process does about a signal. Whether
// SA_NOCLDWAIT is set cannot be seen.
func (s Status) Disposition(sig syscall.Signal) Disposition {
	bit := uint64(1) << (sig - 1)
	switch {
	case s.SigIgn&bit != 0:
		return Ignored
	case s.SigCgt&bit != 0:
		return Handled
	case s.SigBlk&bit != 0:
		return Blocked
	}
	return Default
}

// Status reads the status of a process. An error that is fs.ErrNotExist means
// that there is none.
func (fs FS) Status(pid int) (Status, error) {
	return parseFile(filepath.Join(fs.PIDDir(pid), "status"), parseStatus)
}

// parseStatus parses /proc/PID/status. Fields that depend on the kernel's
// version or configuration may be missing. A name cannot forge a field: its
// newlines are escaped.
func parseStatus(data []byte) (Status, error) {
	s := Status{Threads: 1}
	have := 0 // of the fields that every kernel has
	for line := range bytes.Lines(data) {
		key, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value := bytes.TrimSpace(rest)
		first, _ := firstField(value)
		var err error
		number := func(to *int) { *to, err = strconv.Atoi(string(first)) }
		// mips has 128 signals, the first 64 of which are last.
		mask := func(to *uint64) { *to, err = strconv.ParseUint(string(first[max(0, min(len(first), 32)-16):]), 16, 64) }
		switch string(key) {
		case "Name":
			s.Name = string(value)
		case "State":
			if len(value) > 0 {
				s.State = value[0]
			}
		case "PPid":
			number(&s.PPid)
		case "Uid":
			s.UID, err = strconv.ParseUint(string(first), 10, 64)
			have++
		case "Threads":
			number(&s.Threads)
		case "NSpid":
			s.NSpid, err = parseInts(value)
		case "NSpgid":
			number(&s.Group)
		case "NSsid":
			number(&s.Session)
		case "SigBlk":
			mask(&s.SigBlk)
		case "SigIgn":
			mask(&s.SigIgn)
			have++
		case "SigCgt":
			mask(&s.SigCgt)
			have++
		case "CapEff":
			mask(&s.CapEff)
		}
		if err != nil {
			return Status{}, fmt.Errorf("%w: field %s: %q", ErrMalformed, key, clip(rest))
		}
	}
	if have < 3 {
		return Status{}, fmt.Errorf("%w: a field Uid, SigIgn or SigCgt is missing", ErrMalformed)
	}
	return s, nil
}

func parseInts(list []byte) ([]int, error) {
	var all []int
	for field := range bytes.FieldsSeq(list) {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// Command returns the command line of a process (proc_pid_cmdline(5)), its
// arguments separated by spaces: "" for a zombie and for the kernel's own.
// A process may write there what it likes.
func (fs FS) Command(pid int) (string, error) {
	data, err := readFile(filepath.Join(fs.PIDDir(pid), "cmdline"))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " ")), nil
}

// CgroupPath returns the cgroup of a process as /proc/PID/cgroup gives it: in
// the hierarchy of the pids controller if version 1 has it, in that of version
// 2 otherwise; "" if in neither.
func (fs FS) CgroupPath(pid int) (string, error) {
	lines, err := fs.cgroupLines(pid)
	return listedPath(lines), err
}

func listedPath(lines []cgroupLine) string {
	for _, l := range lines {
		if slices.Contains(l.controllers, "pids") {
			return l.path
		}
	}
	for _, l := range lines {
		if l.unified() {
			return l.path
		}
	}
	return ""
}
