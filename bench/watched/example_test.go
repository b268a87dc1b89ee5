package watched_test

import (
	"fmt"

	"zombench/bench/watched"
)

// Nobody is the control, whoever else is asked for.
func ExampleExperiment() {
	e := watched.Experiment()
	fmt.Println(e.Fields[1].Name, e.Fields[1].Value.Set("ps"))
	setups, err := e.Setups()
	for _, s := range setups {
		fmt.Println(s.Control, s.Name())
	}
	fmt.Println(err)
	// Output:
	// by <nil>
	// true Watched/by=nobody/count=10000
	// false Watched/by=ps/count=10000
	// <nil>
}
