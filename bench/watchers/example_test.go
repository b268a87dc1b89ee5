package watchers_test

import (
	"fmt"

	"zombench/bench/watchers"
)

// It asks about this host, whose programs are not known beforehand.
func ExampleExperiment() {
	e := watchers.Experiment()
	setups, err := e.Setups()
	fmt.Println(e.Asks)
	fmt.Println(setups[0].Name(), setups[0].Army.Zombies, err)
	// Output:
	// who looks at zombies on this host?
	// Watchers/count=64 64 <nil>
}
