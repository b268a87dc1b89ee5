// Guest is a guest that runs this experiment and keeps the times, which mean
// nothing but beside those of another guest on the same host. Its arguments are a
// pattern, sizes of armies and samples; it prints a result file.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"zombench/bench"
	"zombench/bench/drag"
	"zombench/bench/janitor"
	"zombench/bench/reexec"
	"zombench/bench/vm/guest"
	"zombench/measure"
	"zombench/results"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	e := drag.Experiment()
	reexec.Dispatch(append(bench.Programs(), e.Programs...)...)
	if err := run(e, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(e bench.Experiment, args []string) error {
	samples, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := e.Set(map[string]string{"count": args[1]}); err != nil {
		return err
	}
	r := bench.Runner{
		Experiments: []bench.Experiment{e}, Match: args[0], Samples: samples, Seed: 1,
		Options: bench.Options{FS: measure.Host(), Zombied: "/bin/zombied", LockPath: janitor.Path()},
		Output:  results.NewWriter(os.Stdout), Progress: progress{},
		Notice: func(s string) { fmt.Fprintln(os.Stderr, s) },
	}
	_, err = r.Run(context.Background())
	return err
}

// progress tells what has ended.
type progress struct{}

func (progress) Begin(int, int, string) {}
func (progress) Doing(string)           {}
func (progress) End(t results.Trial)    { fmt.Fprintln(os.Stderr, t.Name(), t.Broken) }
func (progress) Close()                 {}
