package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench"
	"zombench/bench/ctypes"
	"zombench/bench/daemon"
	"zombench/bench/janitor"
	"zombench/bench/progress"
	"zombench/measure"
	"zombench/results"
)

// harnessFlags are what every command that measures this machine has.
type harnessFlags struct {
	bench.Runner
	out     string
	zombied string
	quiet   bool
	node    nodeFlags

	summaryOnly bool // print no results where no file is given
}

func (f *harnessFlags) register(flags *pflag.FlagSet) {
	flags.Var(bench.Int(&f.Samples, 1, many), "samples", "trials of each benchmark; 6 or more give a 95 % interval (default: see zombench list)")
	durationFlag(flags, &f.Budget, "budget", time.Second, "fit the run into this `TIME`, such as 2m, by fewer samples (6 at least), then fewer sizes (default: no limit)")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this `file`; an existing one is kept as FILE.old")
	flags.BoolVar(&f.RaiseLimits, "raise-limits", false, "raise kernel.pid_max and kernel.threads-max as far as the armies need, and put them back")
	flags.Uint64Var(&f.Seed, "seed", 0, "seed of the order of the trials (default random; recorded with the results)")
	flags.StringVar(&f.zombied, "zombied", "", "`path` of zombied, the daemon that creates the zombies (default: beside zombench, then on PATH)")
	flags.StringVar(&f.Options.Program, "program", "", "`path` of the program that zombied's children execute (default: a tiny one of zombied's own); compare only results of the same program")
	flags.StringVar(&f.Options.LockPath, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock") // runs under different locks disturb each other
	f.node.register(flags)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print no progress")
}

// complete makes of the flags what they say of this run.
func (f *harnessFlags) complete(cmd *cobra.Command) (err error) {
	if !cmd.Flags().Changed("seed") {
		f.Seed = rand.Uint64()
	}
	f.Config, err = f.node.config()
	return err
}

func newRun(all func() []bench.Experiment) *cobra.Command {
	var f harnessFlags
	var answer answerFlags
	var apply func([]bench.Experiment) error
	cmd := &cobra.Command{
		Use:   "run [EXPERIMENT...]",
		Short: "Measure, and summarize what was measured",
		Long: `Run runs the benchmarks of the named experiments; without a name it runs memory,
which measures how much memory zombies hold. zombench list shows the benchmarks and
which of them this machine can run; the others are skipped with a notice.

A trial creates an army of zombies, reads the kernel's counters before, with and after
it, and reaps it. Every benchmark is tried several times (--samples). The trials of all
run in random order, with controls among them: trials without zombies, which show the
noise of this machine.

With -o FILE the results go to FILE, each trial as soon as it has ended, and the
summary to standard output. Without it, if standard output is a terminal, only the
summary is printed and the results are not kept; otherwise the results go to
standard output and the summary to standard error.

Flags from --count on are parameters of experiments: of those named in brackets, or
with their defaults.

Exit status: 0, or 1 if every trial was broken, or if an init fails its test.`,
		Example: `  zombench run -o results/local/mine.txt
  zombench run --count 1000 --parallel 1 --samples 6
  zombench run --spawn exec,os-exec -o both.txt
  zombench run --pidns 0,1,2             what a zombie in a container costs
  zombench run --daemon ./my-server      what the zombies of another program cost
  zombench run reaping --bench Reap      how zombies go
  zombench run inits --init 'tini -s --' test the init of a container`,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, err := choose(all(), args, f.Match, cmd.Flags().Changed("daemon"))
			if err != nil {
				return err
			}
			if err := errors.Join(apply(run), f.complete(cmd), answer.check()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), run, answer.write)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.Match, "bench", "", "run only benchmarks that match this `regexp`, as in go test -bench; of all experiments if none is named")
	f.register(flags)
	answer.register(cmd)
	apply = fieldFlags(cmd, all())
	cmd.ValidArgsFunction = experimentNames(all)
	complete(cmd, "bench", benchNames(all))
	return cmd
}

// choose returns the experiments that a command line asks for: those named;
// else, with --daemon, the one that has this field; else, with --bench, all whose
// benchmarks may match and that can be run without further words; else the main
// job, which is the first.
func choose(all []bench.Experiment, args []string, match string, daemon bool) ([]bench.Experiment, error) {
	switch {
	case len(args) > 0:
		return pick(all, args)
	case daemon:
		return pick(all, []string{"foreign"})
	case match != "":
		var run []bench.Experiment
		for _, e := range all {
			if bench.MayMatch(e, match) {
				run = append(run, e)
			}
		}
		if len(run) > 0 {
			return run, nil
		}
	}
	return all[:1], nil
}

// run runs experiments and has answer print what came out, as it is read back
// from what was written: to standard output, or to standard error if the results
// go there. A terminal gets no results: their lines are for programs.
func (f *harnessFlags) run(ctx context.Context, stdout, stderr io.Writer, run []bench.Experiment, answer func(io.Writer, *results.Set) error) (err error) {
	f.Experiments, f.Version, f.Options.FS = run, version(), measure.Host()
	f.Notice = func(s string) { fmt.Fprintf(stderr, "zombench: %s\n", s) }
	if err := f.Validate(); err != nil {
		return validation(err)
	}
	if f.Options.Zombied, err = findZombied(f.zombied); err != nil && (f.zombied != "" || slices.ContainsFunc(run, func(e bench.Experiment) bool { return e.Zombied })) {
		return err
	}
	answerTo, resultsTo := stdout, io.Discard
	if f.out == "" && !f.summaryOnly && !progress.IsTerminal(stdout) {
		answerTo, resultsTo = stderr, stdout
	}
	out, err := results.Create(f.out, resultsTo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	f.Kernel, f.Output, f.Progress = ctypes.Kernel(measure.Host()), out, progress.New(stderr, f.quiet)
	tally, err := f.Run(ctx)

	if written := out.Written(); len(written) > 0 {
		set, errs := measured(written)
		if answerErr := answer(answerTo, set); err == nil {
			err = errors.Join(append(errs, answerErr)...)
		}
	}
	if ctx.Err() != nil {
		kept := ""
		if f.out != "" && tally.Done() > 0 {
			kept = "; what was measured is in " + f.out
		}
		return interrupted(ctx, "after %d of %d trials%s", tally.Done(), tally.Planned, kept)
	}
	if err != nil {
		return err
	}
	return tally.Err()
}

// validation makes wrong command lines of what cannot be run as it was asked
// for.
func validation(err error) error {
	if field, ok := errors.AsType[*bench.FieldError](err); ok {
		return fieldError(field)
	}
	return usageErrorf("--bench: %w", err)
}

// findZombied finds the daemon: where the user says, else as daemon.Find does.
func findZombied(path string) (string, error) {
	found, err := daemon.Find(path)
	if err != nil {
		err = fmt.Errorf("--zombied: %w", err)
	}
	return found, err
}
