// Guest is the one program of the guests in which zombench measures other
// kernels: their init, and the harness that the init runs, with the programs
// that the harness becomes. What it measures it is told by a job.Job, and what it
// measured goes to standard output, a result file.
//
// It is small on purpose, since every guest unpacks it and most emulate it: no
// command line, no reports.
package main

import (
	"context"
	"fmt"
	"os"

	"zombench/bench/kernels/job"
	"zombench/bench/vm/guest"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	dispatch()
	j, err := job.Parse(os.Args[1:])
	if err == nil {
		err = run(context.Background(), j, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "zombench: %v\n", err)
		os.Exit(1)
	}
}
