package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench"
	"zombench/bench/ctypes"
	"zombench/bench/janitor"
	"zombench/bench/progress"
	"zombench/measure"
	"zombench/results"
)

// harnessFlags are what every command that measures this machine has.
type harnessFlags struct {
	match   string
	samples int
	seed    uint64
	out     string
	zombied string
	program string
	lock    string
	budget  time.Duration
	raise   bool
	quiet   bool
	node    nodeFlags
	config  []results.Param

	summaryOnly bool // print no results where no file is given
}

func (f *harnessFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.samples, "samples", 0, "trials of each benchmark; a 95 % interval takes 6 or more (default: see zombench list)")
	flags.DurationVar(&f.budget, "budget", 0, "fit the run into this `TIME`, such as 2m, by fewer samples (6 at least), then fewer sizes (default: no limit)")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this `file`; an existing one is kept as FILE.old")
	flags.BoolVar(&f.raise, "raise-limits", false, "raise kernel.pid_max and kernel.threads-max as far as the armies need, and put them back")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the order of the trials (default random; recorded with the results)")
	flags.StringVar(&f.zombied, "zombied", "", "`path` of the daemon (default: beside zombench, then on PATH)")
	flags.StringVar(&f.program, "program", "", "`path` of the program that zombied's children execute; compare only results of the same program (default own: see zombied program)")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock") // runs under different locks disturb each other
	f.node.register(flags)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print no progress")
}

func checkSamples(n int) error {
	if n < 1 {
		return usageErrorf("--samples: %d is too few; give 1 or more (6 or more for a 95 %% interval)", n)
	}
	return nil
}

// check reports flags that would fail only after the measurement.
func (f *harnessFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("samples") {
		if err := checkSamples(f.samples); err != nil {
			return err
		}
	}
	if f.budget < 0 || cmd.Flags().Changed("budget") && f.budget == 0 {
		return usageErrorf("--budget: %v; want more than 0, such as 2m", f.budget)
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = rand.Uint64()
	}
	var err error
	f.config, err = f.node.config()
	return err
}

func newRun(all func() []bench.Experiment) *cobra.Command {
	var f harnessFlags
	var answer answerFlags
	var fields *fieldFlags
	cmd := &cobra.Command{
		Use:   "run [EXPERIMENT...]",
		Short: "Run experiments and summarize what was measured",
		Long: `Run runs the benchmarks of the named experiments; without a name it runs memory,
which measures how much memory zombies hold. The trials of all benchmarks,
--samples of each, run in random order, with controls among them in which nothing is
done. zombench list shows the benchmarks and which of them this machine can run;
the others are skipped with a notice.

With -o FILE the results go to FILE, each trial as soon as it has ended, and the
summary to standard output. Without it, if standard output is a terminal, only the
summary is printed and the results are not kept; otherwise the results go to
standard output and the summary to standard error.

Exit status: 0, or 1 if every trial was broken, or if an init fails its test.`,
		Example: `  zombench run -o results/local/mine.txt
  zombench run --count 1000 --parallel 1 --samples 6
  zombench run --spawn exec,os-exec -o both.txt
  zombench run --pidns 0,1,2             what a zombie in a container costs
  zombench run --daemon ./my-server      what the zombies of another program cost
  zombench run reaping --bench Reap      how zombies go
  zombench run inits --init 'tini -s --' test the init of a container`,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, err := choose(all(), args, f.match, cmd.Flags().Changed("daemon"))
			if err != nil {
				return err
			}
			if err := errors.Join(fields.apply(run), f.check(cmd), answer.check()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), run, answer.write)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.match, "bench", "", "run only benchmarks that match this `regexp`, as in go test -bench; of all experiments if none is named")
	f.register(flags)
	answer.register(cmd)
	fields = newFieldFlags(cmd, all())
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
	runner := &bench.Runner{
		Experiments: run, Match: f.match, Samples: f.samples, Seed: f.seed, Budget: f.budget, RaiseLimits: f.raise,
		Options: bench.Options{FS: measure.Host(), LockPath: f.lock, Program: f.program},
		Version: version(), Config: f.config,
		Notice: func(s string) { fmt.Fprintf(stderr, "zombench: %s\n", s) },
	}
	if err := runner.Validate(); err != nil {
		return validation(err)
	}
	zombied, err := findZombied(f.zombied)
	if err != nil && (f.zombied != "" || slices.ContainsFunc(run, func(e bench.Experiment) bool { return e.Zombied })) {
		return err
	}
	runner.Options.Zombied = zombied
	answerTo, resultsTo := stdout, io.Discard
	if f.out == "" && !f.summaryOnly && !progress.IsTerminal(stdout) {
		answerTo, resultsTo = stderr, stdout
	}
	out, err := results.Create(f.out, resultsTo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	runner.Kernel, runner.Output, runner.Progress = ctypes.Kernel(measure.Host()), out, progress.New(stderr, f.quiet)
	tally, err := runner.Run(ctx)

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
	return outcome(tally)
}

// outcome says whether a run that came to its end has failed all the same.
func outcome(tally bench.Tally) error {
	var faults []string
	for _, f := range tally.Faults {
		faults = append(faults, fmt.Sprintf("%s: %s", f.Name, f.What))
	}
	switch {
	case len(faults) > 0:
		return errors.New(strings.Join(faults, "\n"))
	case tally.Good+tally.Flagged == 0:
		return fmt.Errorf("all %d trials were broken, so nothing was measured; the results give the reasons", tally.Broken)
	}
	return nil
}

// validation makes wrong command lines of what cannot be run as it was asked
// for.
func validation(err error) error {
	if field, ok := errors.AsType[*bench.FieldError](err); ok {
		return fieldError(field)
	}
	return usageErrorf("--bench: %w", err)
}

// findZombied finds the daemon: where the user says, else beside this
// program, else on PATH.
func findZombied(path string) (string, error) {
	if path != "" {
		full, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("--zombied: %w", err)
		}
		return filepath.Abs(full)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "zombied")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	full, err := exec.LookPath("zombied")
	if err != nil {
		return "", errors.New("no zombied beside zombench or on PATH; build it (make build), or give its path with --zombied")
	}
	return filepath.Abs(full)
}
