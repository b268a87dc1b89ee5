package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/ends"
	"zombench/bench/janitor"
	"zombench/results/report"
)

// endsFlags are the flags of zombench ends.
type endsFlags struct {
	plan    ends.Plan
	out     string
	zombied string
	lock    string
	format  string
	quiet   bool
}

func newEnds() *cobra.Command {
	var f endsFlags
	cmd := &cobra.Command{
		Use:   "ends",
		Short: "Measure how zombies end: who collects them, in what time, and what if nobody does",
		Long: `Ends runs the benchmarks on the handling of zombies, in the same fresh cgroups,
random order and result format as zombench run:

  Reap       how an army ends, by method: wait, wait-any, sigchld, ignore,
             nocldwait, parent-exit, parent-exit-lazy, pidns-exit
  WaitOrder  the textbook's parent: children that die in the reverse order of
             their birth, waited for in a fixed order or whoever is dead
  Adopt      who gets the children, dead and living, of a parent that dies
  Exhaust    an army against a limit: pids.max, nproc, pid_max, memory.max; each
             is a limit of the trial's own, none of the machine's
  Standing   what an army takes of CPU time and user memory, and whether its pids
             are given out again

What this machine cannot do is skipped, and said.`,
		Example: `  zombench ends -o results/local/ends.txt
  zombench ends --bench 'Reap/method=wait'
  zombench ends --bench WaitOrder --children 10 --step 100ms`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.plan.Seed = rand.Uint64()
			}
			return runEnds(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.plan.Count, "count", 500, "zombies in an army")
	flags.IntVar(&f.plan.Parallel, "parallel", 4, "threads of a parent that start children")
	flags.IntVar(&f.plan.Children, "children", 10, "children of the textbook's parent")
	flags.DurationVar(&f.plan.Step, "step", 100*time.Millisecond, "the step of their lives")
	flags.DurationVar(&f.plan.Stand, "stand", 2*time.Second, "how long a standing army is watched")
	flags.IntVar(&f.plan.Samples, "samples", 6, "trials of each benchmark")
	flags.Uint64Var(&f.plan.Seed, "seed", 0, "seed of the order of the trials (default random; it is recorded)")
	flags.StringVar(&f.plan.Match, "bench", "", "run only the benchmarks that match this regular expression, as in go test")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this file")
	flags.StringVar(&f.format, "format", string(report.Text), "`FORMAT` of the tables: "+report.FormatNames())
	flags.StringVar(&f.zombied, "zombied", "", "path of the daemon (default: beside zombench, then on PATH)")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	return cmd
}

func runEnds(ctx context.Context, stdout, stderr io.Writer, f endsFlags) (err error) {
	if err := f.plan.Validate(); err != nil {
		return &exitError{usageStatus, err}
	}
	format, err := report.ParseFormat(f.format)
	if err != nil {
		return usageErrorf("--format: %w", err)
	}
	zombied, err := findZombied(f.zombied)
	if err != nil {
		return err
	}
	out, err := openOutput(f.out, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	lab, err := openLab(ctx, zombied, f.lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	if err := lab.Preflight(bench.Plan{Counts: []int{f.plan.Count}, Parallels: []int{f.plan.Parallel}, Spawns: []string{"exec"}, Samples: 1}); err != nil {
		return err
	}
	out.header = header(lab, bench.Plan{Seed: f.plan.Seed})
	out.header.Comments = out.header.Comments[:1] // what is said of armies is not so here
	out.header.Comments = append(out.header.Comments,
		fmt.Sprintf("seed %d, %d trials, %d CPUs online", f.plan.Seed, len(f.plan.Trials()), lab.Machine.CPUs))
	out.header.Units = ends.Units()
	for _, notice := range lab.Notices {
		fmt.Fprintf(stderr, "zombench: %s\n", notice)
	}

	watch := newProgress(stderr, f.quiet)
	tally, err := ends.Hall{Lab: lab, Parent: []string{parentCommand}}.Run(ctx, f.plan, out, endsWatcher{watch})
	watch.Close()
	for _, s := range tally.Skipped {
		fmt.Fprintf(stderr, "zombench: %s is skipped: %v\n", s.Setup, s.Err)
	}
	tablesTo := stdout
	if f.out == "" {
		tablesTo = stderr
	}
	if r, reportErr := out.Report(report.Query{}); reportErr != nil {
		err = errors.Join(err, reportErr)
	} else if r != nil {
		err = errors.Join(err, r.Doc().Write(tablesTo, format))
	}
	switch {
	case ctx.Err() != nil:
		return &exitError{interruptStatus, fmt.Errorf("interrupted after %d of %d trials", tally.Done(), tally.Planned)}
	case err != nil:
		return err
	case tally.Broken > 0:
		return fmt.Errorf("%d of %d trials were broken; the reasons stand in the results", tally.Broken, tally.Done())
	}
	return nil
}

// An endsWatcher tells the progress of ends as that of armies.
type endsWatcher struct{ progress }

func (w endsWatcher) Begin(i, n int, s ends.Setup) {
	setup := bench.Setup{Bench: s.Bench, Spawn: "exec"}
	for _, p := range s.Params {
		switch p.Key {
		case "count":
			setup.Count, _ = strconv.Atoi(p.Value)
		case "parallel":
			setup.Parallel, _ = strconv.Atoi(p.Value)
		default:
			setup.Bench += "/" + p.Key + "=" + p.Value
		}
	}
	w.progress.Begin(i, n, setup)
}
