package drag_test

import (
	"fmt"

	"zombench/bench/drag"
)

// Every actor acts without an army as well: what differs is the army's.
func ExampleExperiment() {
	e := drag.Experiment()
	fmt.Println(e.Fields[0].Name, e.Fields[0].Value.Set("1000"))
	setups, err := e.Setups()
	for _, s := range setups[:2] {
		fmt.Println(s.Control, s.Name())
	}
	fmt.Println(err)
	// Output:
	// count <nil>
	// true Drag/actor=parent-exit/count=0
	// false Drag/actor=parent-exit/count=1000
	// <nil>
}
