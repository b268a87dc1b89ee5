package measure

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"
)

// Process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type Process struct {
	PID        int
	PPid       int    // the process (thread group) that has to wait for it; 0 if that lies outside of this pid namespace
	State      byte   // 'R', 'S', 'D', 'Z' ...
	Threads    int    // tasks of the process; a zombie has one
	StartTicks uint64 // clock ticks after boot; with the pid it identifies a process
}

// Zombie reports whether the process has ended and waits to be reaped. A
// process whose main thread has ended while others live on is in the same
// state, but has more threads than one and cannot be reaped.
func (p Process) Zombie() bool { return p.State == 'Z' && p.Threads <= 1 }

// LeaderEnded reports whether only the main thread of the process has ended: it
// looks like a zombie and is none.
func (p Process) LeaderEnded() bool { return p.State == 'Z' && !p.Zombie() }

// ClockTick is USER_HZ, in which /proc gives times: 100 on all architectures
// that Go has.
const ClockTick = time.Second / 100

// Started returns how long after boot the process started.
func (p Process) Started() time.Duration {
	const most = uint64(1<<63-1) / uint64(ClockTick)
	return time.Duration(min(p.StartTicks, most)) * ClockTick
}

// Process reads one process; pid 0 is the reading process. An error that is
// fs.ErrNotExist means that there is none.
func (fs FS) Process(pid int) (Process, error) {
	return parseFile(filepath.Join(fs.PIDDir(pid), "stat"), parseProcess)
}

// parseProcess parses "PID (NAME) STATE PPID ...". The name may hold anything,
// so the fields are counted from the last parenthesis.
func parseProcess(data []byte) (Process, error) {
	var p Process
	pid, _, _ := bytes.Cut(data, []byte(" ("))
	n, ok := decimal(pid)
	if p.PID = int(n); !ok {
		return Process{}, fmt.Errorf("%w: want a pid, got %q", ErrMalformed, clip(data))
	}
	rest := bytes.TrimSpace(data[bytes.LastIndexByte(data, ')')+1:])
	// From the state, field 3, on: ppid is 4, num_threads 20, starttime 22.
	for i := 3; i <= 22; i++ {
		var field []byte
		field, rest = firstField(rest)
		switch i {
		case 3:
			if ok = len(field) == 1; ok {
				p.State = field[0]
			}
		case 4:
			n, ok = decimal(field)
			p.PPid = int(n)
		case 20:
			n, ok = decimal(field)
			p.Threads = int(n)
		case 22:
			p.StartTicks, ok = decimal(field)
		default:
			ok = len(field) > 0
		}
		if !ok {
			return Process{}, fmt.Errorf("%w: field %d: %q", ErrMalformed, i, clip(data))
		}
	}
	return p, nil
}
