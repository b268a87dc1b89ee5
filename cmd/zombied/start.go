package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zombench/bench/threads"
	"zombench/cmd/zombied/internal/army"
	"zombench/cmd/zombied/internal/daemonize"
	"zombench/cmd/zombied/internal/dress"
	"zombench/cmd/zombied/internal/notify"
	"zombench/cmd/zombied/internal/pidfile"
	"zombench/measure"
)

// maxParallel bounds --parallel: each is a thread of the daemon.
const maxParallel = 1024

// startOptions are the flags of zombied start.
type startOptions struct {
	count      int
	parallel   int
	spawn      string
	program    string
	dress      string
	pidfile    string
	log        string
	foreground bool
	hold       bool
	force      bool
	lifeline   int
	onSIGCHLD  string
}

func startCommand(use, short, long string) *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    long,
		Example: startExamples,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return start(cmd, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&o.count, "count", 1000, "create `N` zombies")
	f.IntVar(&o.parallel, "parallel", 50, fmt.Sprintf("start children on `N` threads at the same time, 1 to %d", maxParallel))
	choose(cmd, &o.spawn, "spawn", "how children are started: fork and exec of a program, the same by Go's os/exec, or a clone that only exits", army.SpawnerNames()...)
	programFlag(f, &o.program)
	f.StringVar(&o.dress, "dress", "", "what each child acquires before it ends (see below), instead of --spawn: a `LIST` of "+strings.Join(dress.Names(), ", "))
	f.StringVar(&o.pidfile, "pidfile", "", pidfileHelp+"; none with --foreground")
	f.StringVar(&o.log, "log", "", "append the log to `FILE` (default none; stderr with --foreground)")
	f.BoolVar(&o.foreground, "foreground", false, "do not detach")
	f.BoolVar(&o.hold, "hold", false, "create no zombie before SIGUSR1")
	f.BoolVar(&o.force, "force", false, "do not check the limits first: create as many zombies as fit")
	f.IntVar(&o.lifeline, "lifeline", -1, "reap the army and exit when the other end of the pipe `FD` is closed")
	choose(cmd, &o.onSIGCHLD, "on-sigchld", "what the daemon does when another process sends it SIGCHLD", ignoreSIGCHLD, reapOnSIGCHLD)
	_ = cmd.MarkFlagFilename("pidfile")
	_ = cmd.MarkFlagFilename("log")
	_ = cmd.MarkFlagFilename("program")
	return cmd
}

// check refuses options that make no sense, before anything is opened or
// started. What depends on the machine is found out later, by the daemon.
func (o startOptions) check() error {
	switch {
	case o.count < 0:
		return usagef("--count %d: must be 0 or more", o.count)
	case o.count > 1<<22:
		return usagef("--count %d: Linux has no more than %d pids", o.count, 1<<22)
	case o.parallel < 1 || o.parallel > maxParallel:
		return usagef("--parallel %d: must be from 1 to %d", o.parallel, maxParallel)
	}
	if o.dress != "" {
		if err := dress.Check(o.dress); err != nil {
			return usagef("--dress: %w", err)
		}
	}
	return nil
}

// start is the launcher, or the daemon that it has started, or a daemon in the
// foreground.
func start(cmd *cobra.Command, o startOptions) error {
	// First of all: what this process was given goes to nobody else.
	readiness := daemonize.Daemon()
	if err := daemonize.CloseOnExec(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if readiness == nil && !o.foreground {
		return launch(cmd, o)
	}
	if readiness != nil && o.lifeline >= 0 {
		o.lifeline = daemonize.InheritedFD
	}
	err := serve(o, readiness)
	if err != nil {
		readiness.Fail(err.Error(), statusOf(err))
	}
	return err
}

// launch starts the daemon, and returns when it is ready.
func launch(cmd *cobra.Command, o startOptions) error {
	// The army may leave no pid for a thread of this process.
	threads.Reserve(4)
	var opt daemonize.Options
	if o.log != "" {
		log, err := openLog(o.log)
		if err != nil {
			return err
		}
		defer log.Close()
		opt.Log = log
	}
	if o.lifeline >= 0 {
		if err := checkLifeline(o.lifeline); err != nil {
			return err
		}
		opt.Inherit = os.NewFile(uintptr(o.lifeline), "lifeline")
	}
	// Not SIGHUP: that the terminal closes is no wish to have no daemon.
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	text, err := daemonize.Detach(ctx, opt)
	if failure, ok := errors.AsType[*daemonize.Failure](err); ok {
		return &exitError{failure.Status, failure}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), text)
	return nil
}

// serve is the daemon. It returns when the daemon is to end, and what it leaves
// behind then are zombies for its reaper.
func serve(o startOptions, readiness *daemonize.Readiness) (err error) {
	log, err := newLogger(o, readiness)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && readiness != nil { // in the foreground, the caller says it
			log.Error("exiting", "err", err)
		}
	}()
	// From here on orders are kept, and followed when all is ready.
	orders := receiveOrders()
	socket, err := notify.FromEnv()
	if err != nil {
		return err
	}
	lifeline, err := watchLifeline(o.lifeline)
	if err != nil {
		return err
	}
	file, err := acquirePidfile(o, readiness)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Remove()) }()
	if readiness != nil {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}

	d := &daemon{
		options:   o,
		limits:    newLimitWatch(o, measure.Host()),
		log:       log,
		socket:    socket,
		readiness: readiness,
		orders:    orders,
		sigchld:   receiveSIGCHLD(o.onSIGCHLD),
		lifeline:  lifeline,
	}
	return errors.Join(d.run(), d.undress())
}

func newLogger(o startOptions, readiness *daemonize.Readiness) (*slog.Logger, error) {
	out := os.Stderr // of a detached daemon: --log, or /dev/null
	if readiness == nil && o.log != "" {
		var err error
		if out, err = openLog(o.log); err != nil {
			return nil, err
		}
	}
	return slog.New(slog.NewTextHandler(out, nil)), nil
}

func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return f, nil
}

// acquirePidfile takes the pid file, if there is to be one.
func acquirePidfile(o startOptions, readiness *daemonize.Readiness) (*pidfile.File, error) {
	if o.pidfile == "" && readiness == nil {
		return nil, nil
	}
	path, err := pidfilePath(o.pidfile)
	if err != nil {
		return nil, err
	}
	return pidfile.Acquire(path)
}

// pidfilePath is the absolute path of the pid file: the one given, or the
// default.
func pidfilePath(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	dir := "/run"
	if os.Geteuid() != 0 {
		if dir = os.Getenv("XDG_RUNTIME_DIR"); dir == "" {
			return "", usagef("no directory for the pid file: $XDG_RUNTIME_DIR is not set; choose a file with --pidfile")
		}
	}
	return filepath.Join(dir, "zombied.pid"), nil
}

func checkLifeline(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return usagef("--lifeline %d: the descriptor is not open", fd)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
		return usagef("--lifeline %d: not a pipe or a socket", fd)
	}
	return nil
}

// watchLifeline returns a channel that is closed when the other end of the pipe
// fd is; it never is when fd is negative.
func watchLifeline(fd int) (<-chan struct{}, error) {
	ended := make(chan struct{})
	if fd < 0 {
		return ended, nil
	}
	if err := checkLifeline(fd); err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		defer close(ended)
		buf := make([]byte, 64)
		for {
			if _, err := pipe.Read(buf); err != nil {
				return
			}
		}
	}()
	return ended, nil
}
