package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"zombench/results"
)

// An exitError carries an exit status other than 1.
type exitError struct {
	code int
	err  error // nil: nothing to say
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// usageStatus is the exit status of a wrong command line.
const usageStatus = 2

// A signalError is the cause of the end of a context by a signal.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return "received " + unix.SignalName(e.Signal) }

// interrupted makes the error of a command that a signal has ended. The exit
// status is what shells report of such a process: 130 after SIGINT, 143 after
// SIGTERM.
func interrupted(ctx context.Context, format string, args ...any) error {
	sig := signalError{syscall.SIGINT}
	errors.As(context.Cause(ctx), &sig)
	return &exitError{128 + int(sig.Signal), fmt.Errorf("interrupted "+format, args...)}
}

func usageErrorf(format string, args ...any) error {
	return &exitError{usageStatus, fmt.Errorf(format, args...)}
}

// exitCode says what went wrong, in one line, and how the process should end.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code := 1
	exit, coded := errors.AsType[*exitError](err)
	if coded {
		code = exit.code
	}
	if !coded || exit.err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "zombench: %s\n", results.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return code
}

// flagError says of a flag that there is none which one was probably meant, and of
// a value that cannot be parsed what it should be, in other words than those of the
// function that could not parse it.
func flagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		return fmt.Errorf("%w%s", err, meant(unknown.GetSpecifiedName(), names, "--"))
	}
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want, ok := map[string]string{
		"float64": "a number",
		"uint64":  "a whole number, 0 or more",
		"bool":    "true or false",
	}[invalid.GetFlag().Value.Type()]
	if !ok { // the flag's own words
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	return fmt.Errorf("--%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// takes refuses fewer or more arguments than a command takes, in words.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageErrorf("%s takes %s, got %d; see %[1]s --help", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error { return takes(0, 0, "no arguments")(cmd, args) }

// knownCommand refuses what is left of a command line when the commands that
// there are were taken from it.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("unknown command %q%s; see %s --help", args[0], suggest(cmd, args[0]), cmd.CommandPath())
	}
	return nil
}

// suggest names the command that was probably meant.
func suggest(cmd *cobra.Command, name string) string {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return meant(name, names, "")
}
