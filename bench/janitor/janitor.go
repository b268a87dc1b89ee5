package janitor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/reexec"
	"zombench/measure"
)

const (
	// graceTime is how long the janitor lets the processes of a dead run end by
	// themselves: the daemon sees its own lifeline break and reaps its army.
	graceTime = 4 * time.Second
	// sweepTime bounds the killing and removing after it.
	sweepTime = 1500 * time.Millisecond
)

// The janitor's descriptors, in the order in which Start hands them over.
const (
	lockFD = 3 + iota
	lifelineFD
	readyFD
)

// Janitor is a janitor process, seen from the run that started it.
type Janitor struct {
	lock     *Lock
	cmd      *exec.Cmd
	lifeline *os.File
	done     chan struct{}
	err      error // valid after done
}

// name is the janitor's argument zero.
const name = "zombench-janitor"

// Program is the janitor that Start starts, for main to dispatch.
func Program() reexec.Program { return reexec.Program{Name: name, Main: serve} }

// Start starts the janitor. It returns when that is ready: blocked in a read
// and costing nothing until the run ends.
func Start(lock *Lock) (*Janitor, error) {
	return start(lock, graceTime)
}

func start(lock *Lock, grace time.Duration, more ...string) (_ *Janitor, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("starting the janitor: %w", err)
		}
	}()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ready, readyW, err := os.Pipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	defer ready.Close()

	// Whatever else this process was given by its caller is not for the janitor,
	// which would keep it open. (Before Linux 5.11 it does: there is no such flag.)
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)

	cmd := reexec.Command(name, append([]string{"--proc=" + lock.fs.Proc, "--grace=" + grace.String()}, more...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"GOMAXPROCS=1"} // few threads: they are tasks too
	cmd.ExtraFiles = []*os.File{lock.file, r, readyW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	readyW.Close()
	if err != nil {
		w.Close()
		return nil, err
	}
	j := &Janitor{lock: lock, cmd: cmd, lifeline: w, done: make(chan struct{})}
	go func() {
		j.err = cmd.Wait()
		close(j.done)
	}()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		w.Close()
		<-j.done
		return nil, fmt.Errorf("it ended at once: %w", j.err)
	}
	return j, nil
}

// Pid returns the janitor's process ID.
func (j *Janitor) Pid() int { return j.cmd.Process.Pid }

// Finish ends the janitor and waits for it. It is to be called at the end of a
// run, after its cgroups were removed. Whatever the journal still holds is
// undone by the janitor or, if that one was killed or failed, here.
func (j *Janitor) Finish(ctx context.Context) error {
	if err := j.lifeline.Close(); err != nil {
		return fmt.Errorf("ending the janitor: %w", err)
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		return fmt.Errorf("ending the janitor: pid %d is still clearing up: %w", j.Pid(), ctx.Err())
	}
	if err := j.lock.reload(); err != nil || j.err == nil {
		return err
	}
	_, err := j.lock.clearUp(ctx, nil, os.Getpid())
	return err
}

// serve is the janitor's whole life. It returns the exit status.
func serve(args []string) int {
	// The terminal's and a service manager's signals are meant for the run;
	// when it ends of them, so do we.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
	debug.SetGCPercent(-1) // not even the periodic collection

	lock, grace, err := inherit(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "janitor:", err)
		return 2
	}
	buf := make([]byte, 1)
	if _, err := unix.Write(readyFD, buf); err != nil {
		return 2
	}
	unix.Close(readyFD)

	// A raw read, to be a blocked thread and not a poller's client.
	for {
		n, err := unix.Read(lifelineFD, buf)
		if n == 0 && err == nil || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err := lock.clearAfter(grace); err != nil {
		return 1
	}
	return 0
}

// inherit takes over what Start has prepared.
func inherit(args []string) (*Lock, time.Duration, error) {
	flags := flag.NewFlagSet("janitor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	proc := flags.String("proc", "/proc", "")
	grace := flags.Duration("grace", graceTime, "")
	if err := flags.Parse(args); err != nil {
		return nil, 0, err
	}
	for fd, kind := range map[int]uint32{lockFD: unix.S_IFREG, lifelineFD: unix.S_IFIFO, readyFD: unix.S_IFIFO} {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != kind {
			return nil, 0, errors.New("is started by a run, not by hand")
		}
	}
	fs := measure.Host()
	fs.Proc = *proc
	return &Lock{fs: fs, file: os.NewFile(lockFD, "lock file")}, *grace, nil
}

// clearAfter clears up after the run whose lock was inherited.
func (l *Lock) clearAfter(grace time.Duration) error {
	var err error
	if l.earlier, err = load(l.file); err != nil {
		return err
	}
	l.journal = journal{PID: l.earlier.PID, Started: l.earlier.Started, Boot: l.earlier.Boot, Clearing: true}
	if err := l.save(); err != nil {
		return err
	}
	_ = cgroup.AwaitExit(context.Background(), grace, l.earlierDirs(), l.earlier.PID) // whoever stays is killed

	ctx, cancel := context.WithTimeout(context.Background(), sweepTime)
	defer cancel()
	_, err = l.clearUp(ctx, nil, l.earlier.PID)
	l.journal.PID, l.journal.Clearing = 0, false
	return errors.Join(err, l.save())
}
