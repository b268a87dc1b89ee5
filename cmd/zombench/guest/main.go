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

// do runs an experiment on this machine as zombench run does, and writes the result
// file to standard output. Those of guests need no further programs.
func do(ctx context.Context, j job.Job) error {
	all := []bench.Experiment{memory.Experiment(), dress.Experiment()}
	i := slices.Index(bench.Names(all), cmp.Or(j.Experiment, "memory"))
	if i < 0 {
		return fmt.Errorf("there is no experiment %s in guests", j.Experiment)
	}
	if err := all[i].Set(j.Fields); err != nil {
		return err
	}
	out, err := results.Create("", os.Stdout)
	if err != nil {
		return err
	}
	runner := bench.Runner{
		Experiments: all[i : i+1], Match: j.Match, Samples: j.Samples, Seed: j.Seed,
		Options: bench.Options{FS: measure.Host(), Zombied: job.Zombied, LockPath: janitor.Path(), Emulated: true},
		Kernel:  ctypes.Kernel(measure.Host()),
		Version: j.Version, Config: j.Keys, Comments: j.Comments,
		Output: out, Progress: newProgress(os.Stderr),
		Notice: func(s string) { fmt.Fprintln(os.Stderr, s) },
	}
	tally, err := runner.Run(ctx)
	if err != nil {
		return err
	}
	return tally.Err()
}
