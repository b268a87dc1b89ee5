package memory_test

import (
	"fmt"

	"zombench/bench/memory"
)

// Beside each way of raising armies runs a control with an army of nobody.
func ExampleExperiment() {
	e := memory.Experiment()
	_ = e.Fields[0].Value.Set("500,1000") // count
	setups, err := e.Setups()
	for _, s := range setups[:3] {
		fmt.Println(s.Control, s.Name(), s.Army.Zombies)
	}
	fmt.Println(err)
	// Output:
	// true Control/parallel=1/spawn=exec 0
	// false Zombies/count=500/parallel=1/spawn=exec 500
	// false Zombies/count=1000/parallel=1/spawn=exec 1000
	// <nil>
}
