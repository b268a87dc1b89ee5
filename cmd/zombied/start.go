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

	"zombench/cmd/zombied/internal/army"
	"zombench/cmd/zombied/internal/daemonize"
	"zombench/cmd/zombied/internal/dress"
	"zombench/cmd/zombied/internal/notify"
	"zombench/cmd/zombied/internal/pidfile"
	"zombench/cmd/zombied/internal/threads"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// maxParallel bounds --parallel: each is a thread of the daemon.
const maxParallel = 1024

// startOptions are the flags of zombied start.
type startOptions struct {
	count      int
	parallel   int
	spawn      string
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
	f.IntVar(&o.count, "count", 1000, "how many `zombies` to raise")
	f.IntVar(&o.parallel, "parallel", 50, fmt.Sprintf("how many `children` to start at the same time, 1 to %d", maxParallel))
	f.StringVar(&o.spawn, "spawn", "exec", "`way` of starting a child: "+strings.Join(army.SpawnerNames(), ", "))
	f.StringVar(&o.dress, "dress", "", "`list` of what each child does before it ends, and so keeps alive when it is dead; goes without --spawn: "+strings.Join(dress.Names(), ", "))
	f.StringVar(&o.pidfile, "pidfile", "", pidfileHelp+"; none with --foreground")
	f.StringVar(&o.log, "log", "", "append the log to this `file` (default none; stderr with --foreground)")
	f.BoolVar(&o.foreground, "foreground", false, "do not detach")
	f.BoolVar(&o.hold, "hold", false, "raise nothing before SIGUSR1")
	f.BoolVar(&o.force, "force", false, "ask no limits beforehand: raise as many as there is room for")
	f.IntVar(&o.lifeline, "lifeline", -1, "`descriptor` of a pipe: when its other end closes, reap the army and exit")
	f.StringVar(&o.onSIGCHLD, "on-sigchld", ignoreSIGCHLD, "what a SIGCHLD sent by hand does to a standing `army`: "+strings.Join(sigchldAnswers, ", "))
	_ = cmd.MarkFlagFilename("pidfile")
	_ = cmd.MarkFlagFilename("log")
	_ = cmd.RegisterFlagCompletionFunc("on-sigchld", cobra.FixedCompletions(sigchldAnswers, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("spawn", cobra.FixedCompletions(army.SpawnerNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check refuses options that make no sense. What depends on the machine is
// found out later, by the daemon.
func (o startOptions) check() error {
	switch {
	case o.count < 0:
		return usagef("--count %d: an army cannot have less than 0 zombies", o.count)
	case o.count > 1<<22:
		return usagef("--count %d: Linux has no more than %d pids", o.count, 1<<22)
	case o.parallel < 1 || o.parallel > maxParallel:
		return usagef("--parallel %d: must be from 1 to %d", o.parallel, maxParallel)
	}
	if err := army.CheckSpawner(o.spawn); err != nil {
		return usagef("--spawn: %w", err)
	}
	if o.dress != "" {
		if err := dress.Check(o.dress); err != nil {
			return usagef("--dress: %w", err)
		}
	}
	return checkSIGCHLD(o.onSIGCHLD)
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
			log.Error("the daemon ends", "err", err)
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
		limits:    newLimitWatch(o),
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
			return "", usagef("no place for the pid file: $XDG_RUNTIME_DIR is not set; name one with --pidfile")
		}
	}
	return filepath.Join(dir, "zombied.pid"), nil
}

func checkLifeline(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return usagef("--lifeline %d: no such descriptor is open", fd)
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
