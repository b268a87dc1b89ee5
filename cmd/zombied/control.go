package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zombench/cmd/zombied/internal/pidfile"
	"zombench/measure"
)

const pidfileHelp = "pid file `FILE` (default /run/zombied.pid for root, $XDG_RUNTIME_DIR/zombied.pid otherwise)"

// errNotRunning says that no process holds the pid file.
var errNotRunning = &exitError{exitNotRunning, errors.New("not running")}

// A remote is a daemon that runs in another process.
type remote struct {
	pid   int
	pidfd int
}

// findRemote finds the daemon that holds a pid file. The pidfd it returns is
// the holder's for certain: the pid cannot have been used again, since after
// the pidfd was opened the process still held the lock.
func findRemote(path string) (*remote, error) {
	pid, held, err := pidfile.Holder(path)
	if err != nil {
		return nil, err
	}
	if !held {
		return nil, errNotRunning
	}
	if pid == 0 {
		return nil, fmt.Errorf("the daemon that holds %s is in another pid namespace", path)
	}
	pidfd, err := unix.PidfdOpen(pid, 0) // Linux 5.3
	if errors.Is(err, unix.ESRCH) {
		return nil, errNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("opening a pidfd of pid %d: %w", pid, err)
	}
	if again, held, err := pidfile.Holder(path); err != nil || !held || again != pid {
		unix.Close(pidfd)
		return nil, errors.Join(errNotRunning, err)
	}
	return &remote{pid, pidfd}, nil
}

func (r *remote) close() { unix.Close(r.pidfd) }

// order sends the daemon a signal.
func (r *remote) order(sig unix.Signal) error {
	err := unix.PidfdSendSignal(r.pidfd, sig, nil, 0)
	if errors.Is(err, unix.EPERM) {
		return &exitError{exitNotAllowed, fmt.Errorf("pid %d belongs to another user: %w", r.pid, err)}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signalling pid %d: %w", r.pid, err)
	}
	return nil
}

// ended waits for the daemon's end, but no longer than d.
func (r *remote) ended(d time.Duration) (bool, error) {
	until := time.Now().Add(d)
	for {
		left := max(time.Until(until), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.pidfd), Events: unix.POLLIN}}, int((left+time.Millisecond-1)/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("waiting for pid %d to exit: %w", r.pid, err)
		}
		return n > 0, nil
	}
}

func pidfileFlag(cmd *cobra.Command, given *string) {
	cmd.Flags().StringVar(given, "pidfile", "", pidfileHelp)
	_ = cmd.MarkFlagFilename("pidfile")
}

func timeoutFlag(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", 30*time.Second, "give up after `DURATION`")
}

// remoteCommand makes a command that does something with the daemon that holds
// the pid file.
func remoteCommand(use, short string, do func(out io.Writer, r *remote) error) *cobra.Command {
	var given string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := pidfilePath(given)
			if err != nil {
				return err
			}
			r, err := findRemote(path)
			if err != nil {
				return err
			}
			defer r.close()
			return do(cmd.OutOrStdout(), r)
		},
	}
	pidfileFlag(cmd, &given)
	return cmd
}

func stopCommand() *cobra.Command {
	var timeout time.Duration
	cmd := remoteCommand("stop", "Stop the daemon; init reaps its zombies", func(out io.Writer, r *remote) error {
		if err := r.order(unix.SIGTERM); err != nil {
			return err
		}
		switch ended, err := r.ended(timeout); {
		case err != nil:
			return err
		case !ended:
			return fmt.Errorf("pid %d is still running %v after SIGTERM", r.pid, timeout)
		}
		fmt.Fprintf(out, "stopped pid %d\n", r.pid)
		return nil
	})
	stop := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := stop(cmd, args)
		if errors.Is(err, errNotRunning) {
			fmt.Fprintln(cmd.OutOrStdout(), "zombied is not running")
			return nil
		}
		return err
	}
	timeoutFlag(cmd, &timeout)
	return cmd
}

func reapCommand() *cobra.Command {
	var timeout time.Duration
	cmd := remoteCommand("reap", "Make the daemon reap its zombies and keep running", func(out io.Writer, r *remote) error {
		before, err := measure.Host().Children(r.pid)
		if err != nil {
			return err
		}
		if err := r.order(unix.SIGUSR2); err != nil {
			return err
		}
		exited := func(err error) error {
			return &exitError{exitNotRunning, errors.Join(fmt.Errorf("pid %d exited instead of reaping", r.pid), err)}
		}
		for until := time.Now().Add(timeout); ; {
			left, err := measure.Host().Children(r.pid)
			switch {
			case err == nil && len(left) == 0:
				fmt.Fprintf(out, "reaped %d zombies of pid %d\n", len(before), r.pid)
				return nil
			case errors.Is(err, fs.ErrNotExist):
				return exited(nil)
			case err != nil:
				return err
			case time.Now().After(until):
				return fmt.Errorf("pid %d still has %d children %v after SIGUSR2", r.pid, len(left), timeout)
			}
			// The end of the daemon is worth knowing at once; the rest has time.
			if ended, err := r.ended(20 * time.Millisecond); ended || err != nil {
				return exited(err)
			}
		}
	})
	timeoutFlag(cmd, &timeout)
	return cmd
}

// stale reports whether a pid file was left behind.
func stale(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
