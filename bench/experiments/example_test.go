package experiments_test

import (
	"fmt"

	"zombench/bench/experiments"
)

// The first of the list is the default of zombench run.
func ExampleAll() {
	e := experiments.All()[0]
	setups, err := e.Setups()
	fmt.Println(e.Name, setups[0].Name(), err)
	// Output: memory Control/parallel=1/spawn=exec <nil>
}
