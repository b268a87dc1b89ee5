package reexec_test

import (
	"fmt"

	"zombench/bench/reexec"
)

// A program is dispatched first thing in main, and started by its name. This process
// was started as none of them, so that Dispatch returns.
func Example() {
	reexec.Dispatch(reexec.Program{Name: "zombench-greeter", Main: func(args []string) int {
		fmt.Println("hello", args)
		return 0
	}})
	cmd := reexec.Command("zombench-greeter", "world")
	fmt.Println(cmd.Args)
	// Output: [zombench-greeter world]
}
