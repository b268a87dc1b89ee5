package foreign_test

import (
	"fmt"

	"zombench/bench/foreign"
)

// It needs a command: there is none by default.
func ExampleExperiment() {
	e := foreign.Experiment()
	_, err := e.Setups()
	fmt.Println(err)
	_ = e.Fields[0].Value.Set("stress-ng --zombie 1") // daemon
	setups, err := e.Setups()
	fmt.Println(setups[0].Name(), err)
	// Output:
	// daemon: give the command of a program that leaves zombies
	// Zombies/spawn=foreign <nil>
}
