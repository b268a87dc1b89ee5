package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/cmd/zombied/internal/dress"
)

// Exit statuses, as the Linux Standard Base has them for init scripts.
const (
	exitOK         = 0
	exitFailed     = 1 // also: a second start
	exitUsage      = 2
	exitNoSuch     = 3 // of start: this kernel has no such dress
	exitNotAllowed = 4
	exitNotRunning = 7

	statusDead       = 1 // of zombied status: not running, and the pid file was left behind
	statusNotRunning = 3
	statusUnknown    = 4
)

// An exitError ends the program with a status of its own. Without an error
// everything has been said already.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef makes an error about the command line.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// statusOf is the exit status that an error ends the program with.
func statusOf(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	return exitFailed
}

// run runs the whole program and returns its exit status.
func run(args []string, stdout, stderr io.Writer) int {
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	if e, ok := errors.AsType[*exitError](err); err != nil && (!ok || e.err != nil) {
		fmt.Fprintf(stderr, "zombied: %s\n", oneLine(err))
	}
	return statusOf(err)
}

// oneLine puts joined errors on one line.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

const rootHelp = `Zombied creates zombie processes and keeps them: it starts children that exit at
once and never waits for them, so that what a zombie holds in the kernel can be
looked at for as long as you like.

Without a command it does what zombied start does: it detaches, and the command
returns once all zombies exist, or reports why they do not. No zombie
has to be killed: zombied stop ends the daemon, and the process that inherits
its children, usually pid 1, reaps them.`

const rootDetails = `
Signals to the daemon:
  SIGUSR1           create the zombies, unless they exist
  SIGUSR2           reap the zombies and keep running
  SIGTERM, SIGINT   stop; init reaps the remaining zombies
  SIGHUP            the same in the foreground; ignored when detached
  SIGCHLD           reap the zombies with --on-sigchld reap, otherwise nothing

Exit status, as for LSB init scripts:
  start   0 all zombies exist (with --hold: the daemon is ready)
          1 failed: limit too low, some zombies missing, or already running
          2 wrong usage
          3 --dress: not supported by this kernel
          4 --dress: not permitted to this user
  stop    0 stopped, or was not running             4 not permitted
  reap    0 reaped   4 not permitted                7 not running
  list    0 listed                                  7 not running
  status  0 running  1 not running, but its pid file was left behind
          3 not running                             4 unknown
`

const startExamples = `  zombied                                   1000 zombies, detached
  zombied --count 5000 --parallel 1         one child after the other
  zombied status && zombied stop
  zombied --foreground --hold --count 500   create with kill -USR1, reap with kill -USR2`

const dressHelp = `
Dresses, for --dress: what a child acquires before it ends. A zombie keeps it, except
files and those listed after it, which the kernel frees when the child exits.
`

func rootCommand() *cobra.Command {
	root := startCommand("zombied", "Create zombies and keep them", rootHelp)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok && invalid.GetFlag().Value.Type() == "int" {
			err = fmt.Errorf("--%s: %q is not a whole number", invalid.GetFlag().Name, invalid.GetValue())
		}
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(
		startCommand("start", "Create zombies and keep them (also without a command)", rootHelp),
		stopCommand(),
		statusCommand(),
		reapCommand(),
		listCommand(),
		programCommand(),
	)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(cmd *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				return errors.Join(err, noArgs(about, rest))
			}
		}
	}
	// Not by a template: text/template, with what it keeps the linker from leaving
	// out, would make the program a third larger, and guests unpack it.
	usage := root.UsageFunc()
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		err := usage(cmd)
		fmt.Fprint(cmd.OutOrStderr(), rootDetails, dressHelp, dress.Help())
		return err
	})
	return root
}

// noArgs refuses arguments that are neither flags nor commands.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%q is not a command of %s (see %s --help)", args[0], cmd.Root().Name(), cmd.CommandPath())
}
