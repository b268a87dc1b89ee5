package drag

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cpus"
	"zombench/bench/reexec"
	"zombench/measure"
	"zombench/measure/taskscan"
)

// An order is what an actor is to do.
type order struct {
	Act      string        `json:"act"`              // an actor's name
	CPU      int           `json:"cpu"`              // on which it acts
	Rounds   int           `json:"rounds"`           // how often
	PID      int           `json:"pid,omitempty"`    // to whom: a process, or a process group
	Path     string        `json:"path,omitempty"`   // to which file: it is read, or Do is written
	Do, Undo string        `json:",omitempty"`       // what is written to it, and afterwards
	Within   time.Duration `json:"within,omitempty"` // after so much time of acting no further round begins
}

// A window is a stretch of CLOCK_MONOTONIC, in ns.
type window struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

func (w window) length() time.Duration { return time.Duration(w.To - w.From) }

// A performance is when an actor acted, and when it rested for as long as an act
// took: nobody did anything then.
type performance struct {
	Acts  []window `json:"acts"`
	Rests []window `json:"rests"`
}

// leastRests is how many windows of rest a performance has at least.
const leastRests = 10

// pause is what lies between two windows: what an act has set off elsewhere is to
// be over.
const pause = time.Millisecond

// act follows an order. Call it from a locked goroutine: its thread is kept on the
// CPU of the actor meanwhile.
func act(o order) (p performance, err error) {
	do, undo, err := prepare(o)
	if err != nil {
		return p, err
	}
	giveBack, err := cpus.Borrow(o.CPU)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, giveBack()) }()
	var spent time.Duration
	for round := 0; round < o.Rounds && (round == 0 || spent < o.Within); round++ {
		time.Sleep(pause)
		w := window{From: now()}
		if err := do(); err != nil {
			return p, err
		}
		w.To = now()
		p.Acts = append(p.Acts, w)
		spent += w.length()
		if err := undo(); err != nil {
			return p, err
		}
		rests := 1
		if o.Rounds == 1 {
			rests = leastRests
		}
		for range rests {
			time.Sleep(pause)
			rest := window{From: now()}
			rest.To = rest.From + int64(w.length())
			time.Sleep(w.length())
			p.Rests = append(p.Rests, rest)
		}
	}
	return p, nil
}

// now reads CLOCK_MONOTONIC, the same for all processes.
func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // fails only for wrong arguments
	return ts.Nano()
}

// prepare does all of an act that is not the act.
func prepare(o order) (do, undo func() error, err error) {
	undo = func() error { return nil }
	switch o.Act {
	case "nothing":
		do = func() error { time.Sleep(time.Millisecond); return nil }
	case "fork":
		do = cloneExitWait
	case "fork-near-pid-max":
		do, err = cloneExitWait, fewPids(o)
	case "parent-exit":
		do, err = ending(o.PID)
	case "wait-first", "wait-last":
		do = func() error { return waitid(unix.P_PID, o.PID) }
	case "wait-any":
		do = func() error { return waitid(unix.P_ALL, 0) }
	case "cgroup-procs", "cgroup-tasks":
		do = func() error { _, err := os.ReadFile(o.Path); return err }
	case "cgroup-kill", "freeze":
		do, undo, err = writing(o)
	case "kill-group":
		do = func() error { return unix.Kill(-o.PID, 0) }
	case "kill-all":
		do, err = func() error { return unix.Kill(-1, 0) }, elsewhere(o)
	case "priority-user":
		do = func() error { _, err := unix.Getpriority(unix.PRIO_USER, os.Getuid()); return err }
	case "readdir-proc":
		do = listProc
	case "ps":
		do, err = running("ps", "-e")
	case "bpf-iter":
		var tasks *taskscan.Walker
		if tasks, err = taskscan.NewWalker(); err == nil {
			do = tasks.Walk
		}
	default:
		err = fmt.Errorf("no act is called %q", o.Act)
	}
	return do, undo, err
}

// cloneExitWait makes a process that ends at once, and waits for it: ForkExec
// clones with CLONE_VM and CLONE_VFORK, its child finds no program of no name and
// exits, and ForkExec waits for it. Nothing is copied and no file is looked for.
func cloneExitWait() error {
	if _, err := syscall.ForkExec("", []string{""}, nil); !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("clone, exit and wait: %w", err)
	}
	return nil
}

// waitid waits for a child that is dead, and leaves it as it is.
func waitid(kind, id int) error {
	return unix.Waitid(kind, id, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
}

// ending has a process end, and sees it dead: a pidfd is readable as soon as the
// children were given away (do_notify_pidfd in kernel/exit.c).
func ending(pid int) (func() error, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("watching the army's parent: %w", err)
	}
	return func() error {
		if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
			return fmt.Errorf("ending the army's parent: %w", err)
		}
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if err != unix.EINTR {
				return err
			}
		}
	}, nil
}

// writing writes to a file and back.
func writing(o order) (do, undo func() error, err error) {
	f, err := os.OpenFile(o.Path, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	write := func(text string) func() error {
		return func() error {
			if text == "" {
				return nil
			}
			_, err := f.WriteAt([]byte(text), 0)
			return err
		}
	}
	return write(o.Do), write(o.Undo), nil
}

// listProc reads the names in /proc.
func listProc() error {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for buf := make([]byte, 32<<10); ; {
		if n, err := unix.Getdents(fd, buf); n == 0 || err != nil {
			return err
		}
	}
}

// running runs a program, which prints to nobody.
func running(name string, args ...string) (func() error, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	fds := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	return func() error {
		defer runtime.KeepAlive(null)
		pid, err := syscall.ForkExec(path, append([]string{name}, args...), &syscall.ProcAttr{Files: fds})
		if err == nil {
			_, err = syscall.Wait4(pid, nil, 0, nil)
		}
		return err
	}, nil
}

// elsewhere refuses what is not to be done in the pid namespace of the harness. An
// actor in another one has a parent whom it cannot see (getppid(2)).
func elsewhere(o order) error {
	if os.Getppid() != 0 {
		return fmt.Errorf("%s is for a pid namespace of its own", o.Act)
	}
	return nil
}

// room is how many pids an army leaves to those who fork near pid_max.
const room = 20

// fewPids leaves few pids in the actor's own pid namespace, and uses them up once:
// from then on each fork has to look for a free one.
func fewPids(o order) error {
	if err := elsewhere(o); err != nil {
		return err
	}
	loadavg, err := measure.Host().Loadavg()
	if err != nil {
		return err
	}
	last := int(loadavg.LastPID) // of the reader's namespace
	const least = 301            // pid_max_min, RESERVED_PIDS + 1 (kernel/pid.c)
	limit := max(last+1+room, least+room)
	if err := os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(limit)), 0); err != nil {
		return fmt.Errorf("lowering kernel.pid_max of a pid namespace: %w", err)
	}
	for range limit - last {
		if err := cloneExitWait(); err != nil {
			return err
		}
	}
	return nil
}

// actorName is the argument zero of an actor. It does as its argument says,
// prints when it did, and ends.
const actorName = "zombench-drag-actor"

func actorProgram() reexec.Program {
	return reexec.Program{Name: actorName, Main: reexec.Reporting("acting", 1, actAsTold)}
}

// preferGroup lets this process run before others. Between sessions it is not the
// priority of a process that counts but that of its autogroup (sched(7)). Not in
// real time: an act may take long.
func preferGroup() {
	const most = "-20"
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	_ = os.WriteFile("/proc/self/autogroup", []byte(most), 0) // there is none without CONFIG_SCHED_AUTOGROUP
}

func actAsTold(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want an order, got %q", args)
	}
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return fmt.Errorf("an order: %w", err)
	}
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	preferGroup()
	p, err := act(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}
