package results_test

import (
	"fmt"
	"os"
	"strings"

	"zombench/results"
)

// A trial is written as one line, which benchstat reads, and its comments.
func Example() {
	w := results.NewWriter(os.Stdout)
	err := w.WriteTrial(results.Trial{
		Bench: results.Zombies, Params: []results.Param{{Key: "count", Value: "500"}}, N: 500,
		Values: []results.Value{{Unit: results.UnitKmem, Value: 9664000}},
		Ends:   results.Ends{Known: true, Exited: 500},
	})
	fmt.Println(err)
	// Output:
	// # ends: signals=0 exited=500 killed=0 dumped=0
	// BenchmarkZombies/count=500 500 9.664e+06 kmem-B/1000zombies
	// <nil>
}

// Whoever reads a file gets each trial, with what the file says it was measured on.
func ExampleRead() {
	set, errs := results.Read(strings.NewReader(`kernel: 6.1.0
# broken: 2 of 500 children are missing: BenchmarkZombies/count=500 500
BenchmarkZombies/count=500 500 9664000 kmem-B/1000zombies
`), "some.txt")
	for _, rec := range set.Records {
		fmt.Printf("%s %s %v %q\n", results.Lookup(rec.Config, "kernel"), rec.Name(), rec.Values, rec.Broken)
	}
	fmt.Println(errs)
	// Output:
	// 6.1.0 Zombies/count=500 [] "2 of 500 children are missing"
	// 6.1.0 Zombies/count=500 [{kmem-B/1000zombies 9.664e+06}] ""
	// []
}
