package difference_test

import (
	"fmt"

	"zombench/results"
	"zombench/results/difference"
	"zombench/results/ledger"
)

// A kernel does not differ from itself: every part is 0, and so is what nothing explains.
func ExampleOf() {
	set, errs := results.Load("../ledger/testdata/zombies.txt")
	if len(errs) > 0 {
		fmt.Println(errs)
		return
	}
	all, err := ledger.New(set.Records)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := difference.Of(all[0], all[0])
	for _, part := range d.Charge.Parts[:2] {
		fmt.Println(part.Name, part.By())
	}
	fmt.Println("all", d.Charge.Whole.By())
	// Output:
	// task_struct 0
	// sighand_struct 0
	// all 0
}
