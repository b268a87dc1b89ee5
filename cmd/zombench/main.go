// Zombench measures what zombies cost.
//
// It launches zombied in a fresh cgroup at varying counts and parallelism,
// reads the kernel before, with and after each army, and writes results in
// the Go benchmark format. See zombench --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	os.Exit(exitCode(os.Stderr, run(ctx, os.Stdout, os.Stderr, os.Args[1:])))
}

// endings returns the signals that end a run in good order. SIGHUP is one
// unless this process was started to ignore it, as nohup(1) does: Notify would
// make it heed the signal after all. SIGINT is one always, though a script's
// shell ignores it in what it puts into the background: kill -INT is meant.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// run runs one command line.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// An exitError carries an exit status other than 1.
type exitError struct {
	code int
	err  error // nil: nothing to say
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// usageError is the exit status of a wrong command line.
const usageStatus = 2

// interruptStatus is the exit status after a signal, as shells report SIGINT.
const interruptStatus = 130

func usageErrorf(format string, args ...any) error {
	return &exitError{usageStatus, fmt.Errorf(format, args...)}
}

// exitCode tells what went wrong, in one line, and how the process should
// end.
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
			fmt.Fprintf(stderr, "zombench: %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "zombench",
		Short: "Measure what zombies cost",
		Long: `Zombench answers with evidence: how much memory do 1000 zombies take on this
kernel? It raises armies of zombies in fresh cgroups, reads the kernel before,
with and after each, and writes what it read in the Go benchmark format, so
that benchstat can compare kernels.

Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown command %q; see zombench --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%w; see %s --help", flagError(err), cmd.CommandPath())
	})
	root.AddCommand(newRun(), newSpeed(), newReport(), newDoctor(), newExplain(), newJanitor(), newPidNS())
	root.AddCommand(newLimits())
	root.AddCommand(newPs())
	root.AddCommand(newEnds(), newParent(), newReapers(), newSubreaper())
	root.AddCommand(newKernels())
	root.AddCommand(newCheck(), newMan())
	return root
}

// flagError says of a value that is no number what it should be, in other words
// than those of the function that could not parse it.
func flagError(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want := ""
	switch invalid.GetFlag().Value.Type() {
	case "int":
		want = "a whole number"
	case "uint64":
		want = "a whole number, 0 or more"
	case "intSlice":
		want = "a list of whole numbers, such as 500,1000"
	default:
		return err
	}
	return fmt.Errorf("--%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// noArgs refuses arguments in words.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("%s takes no argument, and %q is one; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}
