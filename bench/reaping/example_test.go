package reaping_test

import (
	"fmt"

	"zombench/bench/reaping"
)

// The controls are parents that do not reap: they must leave everything.
func ExampleExperiment() {
	e := reaping.Experiment()
	setups, err := e.Setups()
	for _, s := range setups {
		if s.Bench == reaping.Reap && s.Control {
			fmt.Println(s.Name(), "-", s.About)
		}
	}
	fmt.Println(err)
	// Output:
	// Reap/method=default/count=500/parallel=4 - nobody does anything
	// Reap/method=ignore-it/count=500/parallel=4 - somebody sends zombied a SIGCHLD, and it does not reap
	// <nil>
}
