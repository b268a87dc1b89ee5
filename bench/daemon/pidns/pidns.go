// Package pidns starts a program in nested pid namespaces, as a container
// within a container would: a struct pid has a number for each level.
//
// Every namespace gets an init of its own, which does nothing but mount its
// /proc, start the next one, wait and reap (pid_namespaces(7)). The inits are
// few, alike before and after an army, and do nothing while it stands: they
// cancel out in the difference that is measured.
//
// In flows a command that was not started, out flows one that starts the inits. It is
// not a container: all other namespaces and the file system stay as they are.
package pidns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
	"zombench/bench/wait"
	"zombench/measure"
)

// MaxLevels is how deep namespaces nest (MAX_PID_NS_LEVEL,
// include/linux/pid_namespace.h; Linux 3.7). Those that we are in count too.
const MaxLevels = 32

// name is the argument zero of an init.
const name = "zombench-pidns-init"

// Program is the init that Wrap starts, for main to dispatch.
func Program() reexec.Program {
	return reexec.Program{Name: name, Main: func(args []string) int { return run(os.Stderr, name, args) }}
}

// Wrap changes a command that was not started so that its program runs in
// levels nested pid namespaces. The process that then is started is the
// outermost init; it ends as the program does.
func Wrap(cmd *exec.Cmd, levels int) {
	if levels == 0 {
		return
	}
	wrap(cmd, name, levels)
}

func wrap(cmd *exec.Cmd, name string, levels int) {
	reexec.Wrap(cmd, name, strconv.Itoa(levels))
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Cloneflags |= namespaces
	cmd.SysProcAttr = &attr
}

// namespaces are what every level has of its own: pids, and the mounts for a
// /proc that shows them.
const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNS

// Find returns the pid of the program that Wrap's command started, as this
// process sees it; first is the command's own. It waits until the program is
// there, until ended is closed or ctx ends.
func Find(ctx context.Context, fs measure.FS, first, levels int, ended <-chan struct{}) (int, error) {
	pid := first
	for level := 0; level < levels; {
		children, err := fs.Children(pid)
		switch {
		case errors.Is(err, measure.ErrNotSupported):
			return 0, fmt.Errorf("finding a process in nested pid namespaces: %w", err)
		case err == nil && len(children) > 0: // more only if the program left some to its init at once
			pid = children[0]
			level++
			continue
		}
		select {
		case <-ended:
			return 0, errors.New("the init of a pid namespace ended before its program was there")
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return pid, nil
}

// failed is an init's exit status when the program could not be started, as
// shells have it.
const failed = 126

// run is an init: levels, the program's path and its arguments with the name
// first are in args. It returns the exit status for the process: the
// program's, or 128 and the signal that ended it.
func run(stderr io.Writer, name string, args []string) int {
	quiet()
	pid, err := start(name, args)
	var status int
	if err == nil {
		status, err = wait.Until(pid)
	}
	if err != nil {
		fmt.Fprintf(stderr, "init of a pid namespace: %v\n", err)
		return failed
	}
	return status
}

// quiet keeps threads from coming or going while zombies are counted: no garbage
// is collected.
func quiet() { debug.SetGCPercent(-1) }

// start makes what an init's namespace needs, and starts what belongs in it.
func start(name string, args []string) (pid int, err error) {
	if len(args) < 3 {
		return 0, fmt.Errorf("want levels, a program and its name, got %q", args)
	}
	levels, err := strconv.Atoi(args[0])
	if err != nil || levels < 1 {
		return 0, fmt.Errorf("want levels, got %q", args[0])
	}
	if os.Getpid() != 1 {
		return 0, errors.New("not pid 1 of a namespace")
	}
	// Mounts of ours are nobody else's.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 0, fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return 0, fmt.Errorf("mounting /proc: %w", err)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: inherited()}
	path, argv := args[1], args[2:]
	if levels > 1 {
		// The same once more: what is ours up to levels stays as it is.
		path = "/proc/self/exe"
		argv = append([]string{name, strconv.Itoa(levels - 1)}, args[1:]...)
		attr.Sys = &syscall.SysProcAttr{Cloneflags: namespaces}
	}
	// Not os/exec: its first use starts a process of its own to try pidfds.
	if pid, err = syscall.ForkExec(path, argv, attr); err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	return pid, nil
}

// inherited returns the descriptors from 0 on that were handed down: those
// without close-on-exec, which the runtime's own have.
func inherited() []uintptr {
	var files []uintptr
	for fd := uintptr(0); ; fd++ {
		flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return files
		}
		files = append(files, fd)
	}
}
