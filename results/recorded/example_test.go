package recorded_test

import (
	"fmt"

	"zombench/results/recorded"
)

// No zombie was ever measured on this kernel: the answer is of the nearest one of
// its architecture, and names the run.
func ExampleFind() {
	cost, err := recorded.Find("", "", recorded.System{Kernel: "6.12.1-mine", GOARCH: "amd64", PageSize: 4096})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cost.Measured, cost.Pages > cost.Charge)
	fmt.Println(cost.Source[:len("measured on Linux 6.12")])
	// Output:
	// false true
	// measured on Linux 6.12
}
