// Zombench measures what zombies cost.
//
// It launches zombied in a fresh cgroup at varying counts and parallelism,
// reads the kernel before, with and after each army, and writes results in
// the Go benchmark format. See zombench --help.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/experiments"
	"zombench/bench/reexec"
)

func main() {
	reexec.Dispatch(programs(experiments.All())...)
	ctx := untilSignal(endings())
	os.Exit(exitCode(os.Stderr, execute(ctx, experiments.All, os.Stdout, os.Stderr, os.Args[1:])))
}

// programs are what this executable has to become.
func programs(all []bench.Experiment) []reexec.Program {
	list := bench.Programs()
	for _, e := range all {
		list = append(list, e.Programs...)
	}
	return list
}

// untilSignal returns a context that the first of the signals ends, which is its
// cause. Those that follow are ignored: what the run has made is being cleared up.
func untilSignal(signals []os.Signal) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	got := make(chan os.Signal, 1)
	signal.Notify(got, signals...)
	go func() {
		sig := <-got
		cancel(signalError{sig.(syscall.Signal)})
	}()
	return ctx
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

// execute runs one command line over a list of experiments.
func execute(ctx context.Context, all func() []bench.Experiment, stdout, stderr io.Writer, args []string) error {
	root := newRoot(all)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// The groups of commands in the help.
const (
	groupMeasure = "measure"
	groupRead    = "read"
	groupHost    = "host"
)

func newRoot(all func() []bench.Experiment) *cobra.Command {
	root := &cobra.Command{
		Use:   "zombench",
		Short: "Measure what zombies cost",
		Long: `A zombie is a process that has ended, but that its parent has not waited for yet: the
kernel keeps its pid and some of its memory until then.

Zombench measures what that costs on this kernel. It creates hundreds to thousands of
zombies (an army) in a fresh cgroup, reads the kernel's counters before, during and
after, reaps them, and writes the readings in the Go benchmark format, which benchstat
compares. It also finds the processes that leave zombies on this host, and the limit
that zombies would reach first.

To begin with: zombench run --budget 2m measures how much memory zombies hold;
zombench ps and zombench limits look at this host and change nothing. Root can read
more of the kernel's counters than other users: zombench doctor lists what is missing.

Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted (143
by SIGTERM).`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       version(),
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%w; see %s --help", flagError(cmd, err), cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: groupMeasure, Title: "Measure:"},
		&cobra.Group{ID: groupRead, Title: "Read result files:"},
		&cobra.Group{ID: groupHost, Title: "Look at this host:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(groupMeasure, newRun(all), newList(all), newKernels(), newFleet())
	add(groupRead, newReport(), newCheck(), newExplain(all))
	add(groupHost, newLimits(), newPs(), newWatch(), newDoctor())
	root.AddCommand(newMan())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 100 "))
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(cmd *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				return errors.Join(err, knownCommand(about, rest))
			}
		}
	}
	return root
}
