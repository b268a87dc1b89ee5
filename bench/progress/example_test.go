package progress_test

import (
	"os"

	"zombench/bench/progress"
	"zombench/results"
)

// Where no terminal is, a run says at its start and every few seconds how far it
// is, and at once what is broken.
func Example() {
	p := progress.New(os.Stdout, false)
	p.Begin(0, 60, "Zombies/count=1000/parallel=1/spawn=exec")
	p.End(results.Trial{Broken: "pids.current grew by 902, not by 1000"})
	p.Close()
	// Output:
	// 0/60 trials
	// 1/60 broken: Zombies/count=1000/parallel=1/spawn=exec: pids.current grew by 902, not by 1000
}
