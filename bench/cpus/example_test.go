package cpus_test

import (
	"fmt"
	"runtime"

	"zombench/bench/cpus"
)

// A thread stays on one CPU until that is given back.
func ExampleBorrow() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, _ := cpus.Allowed()
	giveBack, err := cpus.Borrow(before[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	during, _ := cpus.Allowed()
	err = giveBack()
	after, _ := cpus.Allowed()
	fmt.Println(len(during), len(after) == len(before), err)
	// Output: 1 true <nil>
}
