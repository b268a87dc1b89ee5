// Guest is the one program of the guests in which zombench measures other
// kernels: their init, and the harness that the init runs, with the programs
// that the harness becomes. In flows a job.Job, out flows a result file.
//
// It is small on purpose, since every guest unpacks it and most emulate it: no
// command line, no reports.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"zombench/bench"
	"zombench/bench/ctypes"
	"zombench/bench/dress"
	"zombench/bench/janitor"
	"zombench/bench/kernels/job"
	"zombench/bench/memory"
	"zombench/bench/reexec"
	"zombench/bench/vm/guest"
	"zombench/measure"
	"zombench/results"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	reexec.Dispatch(bench.Programs()...)
	j, err := job.Parse(os.Args[1:])
	if err == nil {
		err = do(context.Background(), j)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "zombench: %v\n", err)
		os.Exit(1)
	}
}

// do does a job. The experiments that run in guests need no further programs.
func do(ctx context.Context, j job.Job) error {
	for _, e := range []bench.Experiment{memory.Experiment(), dress.Experiment()} {
		if e.Name == cmp.Or(j.Experiment, "memory") {
			return run(ctx, e, j, os.Stdout, os.Stderr)
		}
	}
	return fmt.Errorf("there is no experiment %s in guests", j.Experiment)
}

// run runs an experiment on this machine as zombench run does, and writes the
// result file to stdout.
func run(ctx context.Context, e bench.Experiment, j job.Job, stdout, stderr io.Writer) error {
	if err := set(e.Fields, j.Fields); err != nil {
		return err
	}
	out, err := results.Create("", stdout)
	if err != nil {
		return err
	}
	runner := bench.Runner{
		Experiments: []bench.Experiment{e}, Match: j.Match, Samples: j.Samples, Seed: j.Seed,
		Options: bench.Options{FS: measure.Host(), Zombied: job.Zombied, LockPath: janitor.Path(), Emulated: true},
		Kernel:  ctypes.Kernel(measure.Host()),
		Version: j.Version, Config: j.Keys, Comments: j.Comments,
		Output: out, Progress: newProgress(stderr),
		Notice: func(s string) { fmt.Fprintf(stderr, "%s\n", s) },
	}
	tally, err := runner.Run(ctx)
	if err == nil && tally.Good+tally.Flagged == 0 {
		err = fmt.Errorf("all %d trials were broken: nothing was measured", tally.Broken)
	}
	return err
}

// set sets fields of the experiment to the texts of a job.
func set(fields []bench.Field, texts map[string]string) error {
	for name, text := range texts {
		i := slices.IndexFunc(fields, func(f bench.Field) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("the experiment has no field %s", name)
		}
		if err := fields[i].Value.Set(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
