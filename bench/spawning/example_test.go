package spawning_test

import (
	"fmt"

	"zombench/bench/spawning"
)

// A contestant needs what it is made of.
func ExampleExperiment() {
	e := spawning.Experiment()
	_ = e.Fields[0].Value.Set("1000") // count
	setups, err := e.Setups()
	s := setups[0]
	fmt.Println(s.Name(), "-", s.About, "- needs", s.Needs[0].Name)
	fmt.Println(err)
	// Output:
	// Spawn/by=c-clone/count=1000 - a C loop that clones as zombied does - needs gcc
	// <nil>
}
