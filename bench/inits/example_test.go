package inits_test

import (
	"fmt"

	"zombench/bench/inits"
)

// Whatever init is tried, one that never waits is tried with it.
func ExampleExperiment() {
	e := inits.Experiment()
	_ = e.Fields[0].Value.Set("sh") // init
	setups, err := e.Setups()
	for _, s := range setups {
		fmt.Println(s.Control, s.Name())
	}
	fmt.Println(err)
	// Output:
	// false Init/init=sh/mode=pidns/burst=1000
	// true Init/init=never-waits/mode=pidns/burst=1000
	// <nil>
}
