// Package daemon starts zombied and drives it: orders by signals, answers by
// the notification socket.
//
// What it knows of the daemon is what that says over its protocol (sd_notify(3)
// datagrams, with keys beginning X_ZOMBENCH_) and what the kernel says of the
// process: either program can be replaced. It is not for deciding what to
// measure or when: that is package bench's.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"zombench/bench/daemon/pidns"
	"zombench/bench/tail"
	"zombench/measure"
)

// Options say how zombied is started.
type Options struct {
	Binary   string   // path of zombied
	Count    int      // zombies in the army
	Parallel int      // spawner threads
	Spawn    string   // way of spawning, by zombied's name for it
	Program  string   // that children execute; "" is zombied's own
	Args     []string // further arguments of zombied start
	PidNS    int      // nested pid namespaces to start it in, with an init in each
}

// A Starter starts a command, for instance inside a cgroup. *exec.Cmd's own
// Start is one.
type Starter func(*exec.Cmd) error

// A Daemon is a running zombied.
//
// Its methods are not safe for concurrent use, except Pid.
type Daemon struct {
	cmd      *exec.Cmd   // zombied, or the outermost init
	process  *os.Process // zombied
	socket   *socket
	lifeline *os.File
	log      *tail.Log
	exited   chan struct{} // closed when zombied has ended and was waited for
	exitErr  error         // valid after exited
	last     Report
}

// An ExitError says that zombied ended when it was still needed.
type ExitError struct {
	Err error  // of exec.Cmd.Wait; nil for exit status 0
	Log string // the last line that zombied logged
}

func (e *ExitError) Error() string {
	state := "exit status 0"
	if e.Err != nil {
		state = e.Err.Error()
	}
	if e.Log == "" {
		return fmt.Sprintf("zombied ended (%s) and logged nothing", state)
	}
	return fmt.Sprintf("zombied ended (%s): %s", state, e.Log)
}

func (e *ExitError) Unwrap() error { return e.Err }

// stopGrace bounds how long a zombied that was told to stop may take before
// it is killed. It needs milliseconds, and some seconds on a machine whose
// instructions are emulated.
const stopGrace = 30 * time.Second

// Start starts zombied through start and returns when it reports that it is
// held: all its threads are there and no child was spawned yet. When Start fails,
// nothing is left running.
func Start(ctx context.Context, start Starter, o Options) (*Daemon, error) {
	sock, err := listen()
	if err != nil {
		return nil, fmt.Errorf("opening the notification socket for zombied: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		sock.close()
		return nil, fmt.Errorf("making zombied's lifeline: %w", err)
	}
	defer read.Close()

	d := &Daemon{
		socket:   sock,
		lifeline: write,
		log:      new(tail.Log),
		exited:   make(chan struct{}),
	}
	const lifelineFD = 3 // the first of ExtraFiles
	// --force: whether the army fits was asked before. The daemon would ask
	// again inside the cgroup, and be charged for what it looks at.
	args := []string{"start", "--foreground", "--hold", "--force",
		"--count", strconv.Itoa(o.Count),
		"--parallel", strconv.Itoa(o.Parallel),
		"--spawn", o.Spawn,
		"--lifeline", strconv.Itoa(lifelineFD),
	}
	if o.Program != "" {
		args = append(args, "--program", o.Program)
	}
	d.cmd = exec.Command(o.Binary, append(args, o.Args...)...)
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+sock.addr)
	d.cmd.ExtraFiles = []*os.File{read}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	// A Ctrl-C at the terminal is the harness's to handle.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pidns.Wrap(d.cmd, o.PidNS)
	if err := start(d.cmd); err != nil {
		sock.close()
		write.Close()
		if o.PidNS > 0 && errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("%w: pid namespaces need root (CAP_SYS_ADMIN)", err)
		}
		return nil, fmt.Errorf("starting %s: %w", o.Binary, err)
	}
	d.process = d.cmd.Process
	go func() {
		d.exitErr = d.cmd.Wait()
		close(d.exited)
	}()
	if o.PidNS > 0 {
		if d.process, err = d.find(ctx, o.PidNS); err != nil {
			// Not by SIGTERM, which the kernel keeps from an init that has no handler
			// yet (pid_namespaces(7)).
			d.kill()
			sock.close()
			write.Close()
			return nil, fmt.Errorf("starting %s in nested pid namespaces: %w", o.Binary, err)
		}
	}
	sock.accept(d.process.Pid)
	if _, err := d.await(ctx, nil, func(r Report) bool { return r.Ready && r.Phase == Held }); err != nil {
		d.Stop(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("waiting for zombied to be ready: %w", err)
	}
	return d, nil
}

// find finds zombied behind the inits of its namespaces.
func (d *Daemon) find(ctx context.Context, levels int) (*os.Process, error) {
	pid, err := pidns.Find(ctx, measure.Host(), d.cmd.Process.Pid, levels, d.exited)
	if err != nil {
		if d.ended() {
			err = d.exitError()
		}
		return nil, err
	}
	return os.FindProcess(pid)
}

// ended reports whether the process that was started has ended.
func (d *Daemon) ended() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// Pid returns the daemon's process id, as this process sees it.
func (d *Daemon) Pid() int { return d.process.Pid }

// Last returns the newest report that was waited for.
func (d *Daemon) Last() Report { return d.last }

// Raise orders the army and returns the report with which zombied says that
// every child has been seen dead. Fewer may stand than were ordered: the
// report tells. If progress is not nil, it is called with each report before
// that.
func (d *Daemon) Raise(ctx context.Context, progress func(Report)) (Report, error) {
	r, err := d.order(ctx, syscall.SIGUSR1, Standing, progress)
	if err != nil {
		return r, fmt.Errorf("raising the army: %w", err)
	}
	return r, nil
}

// Reap orders zombied to collect its army and returns the report with which
// it says that none is left.
func (d *Daemon) Reap(ctx context.Context, progress func(Report)) (Report, error) {
	r, err := d.order(ctx, syscall.SIGUSR2, Reaped, progress)
	if err != nil {
		return r, fmt.Errorf("reaping the army: %w", err)
	}
	return r, nil
}

func (d *Daemon) order(ctx context.Context, sig syscall.Signal, until Phase, progress func(Report)) (Report, error) {
	if err := d.process.Signal(sig); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			<-d.exited
			return d.last, d.exitError()
		}
		return d.last, fmt.Errorf("sending %v to zombied (pid %d): %w", sig, d.Pid(), err)
	}
	return d.await(ctx, progress, func(r Report) bool { return r.Phase == until })
}

// await reads reports until one satisfies done.
func (d *Daemon) await(ctx context.Context, progress func(Report), done func(Report) bool) (Report, error) {
	for {
		select {
		case r, open := <-d.socket.reports:
			if !open {
				return d.last, errors.New("the notification socket failed")
			}
			d.last = r
			if done(r) {
				return r, nil
			}
			if progress != nil {
				progress(r)
			}
		case <-d.exited:
			return d.last, d.exitError()
		case <-ctx.Done():
			return d.last, context.Cause(ctx)
		}
	}
}

func (d *Daemon) exitError() error {
	return &ExitError{Err: d.exitErr, Log: d.log.LastLine()}
}

// kill ends zombied at once, with all of the namespace if it runs under an init.
func (d *Daemon) kill() {
	d.cmd.Process.Kill()
	<-d.exited
}

// Stop ends zombied and waits for it. What stands of its army falls to the
// nearest subreaper. A zombied that does not heed SIGTERM in time, or by the
// end of ctx, is killed, and the error says so.
func (d *Daemon) Stop(ctx context.Context) error {
	defer d.socket.close()
	defer d.lifeline.Close()
	d.process.Signal(syscall.SIGTERM) // fails only if it has ended already
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	select {
	case <-d.exited:
	case <-ctx.Done():
		d.kill()
		return fmt.Errorf("zombied (pid %d) did not end on SIGTERM and was killed", d.Pid())
	}
	if d.exitErr != nil {
		return d.exitError()
	}
	return nil
}
