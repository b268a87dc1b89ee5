package dress_test

import (
	"fmt"

	"zombench/bench/dress"
)

// An army that is naked twice tells what is noise.
func ExampleExperiment() {
	e := dress.Experiment()
	fmt.Println(e.Fields[0].Name, e.Fields[0].Value.Set("setsid"))
	setups, err := e.Setups()
	for _, s := range setups[:2] {
		fmt.Println(s.Control, s.Params[0])
	}
	fmt.Println(err)
	// Output:
	// dress <nil>
	// true {dress naked}
	// false {dress setsid}
	// <nil>
}
