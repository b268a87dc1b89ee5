package ledger_test

import (
	"fmt"

	"zombench/results"
	"zombench/results/ledger"
)

// A result file holds the raw readings: the account of a zombie can be drawn up
// from it at any time.
func Example() {
	set, errs := results.Load("testdata/zombies.txt")
	if len(errs) > 0 {
		fmt.Println(errs)
		return
	}
	all, err := ledger.New(set.Records)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range all[0].Caches {
		if c.Role == ledger.Retained {
			fmt.Printf("%-14s %.0f x %4d B\n", c.Name, c.Objects.PerZombie, c.Size)
		}
	}
	// Output:
	// task_struct    1 x 5904 B
	// sighand_cache  1 x 2112 B
	// signal_cache   1 x 1152 B
	// pid            2 x  192 B
	// kmalloc-cg-16  1 x   16 B
}
