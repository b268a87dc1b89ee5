package report_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"zombench/results"
	"zombench/results/report"
)

// trials are two kernels, six trials each.
func trials() *results.Set {
	var b strings.Builder
	for kernel, bytes := range []int{9640000, 10640000} {
		fmt.Fprintf(&b, "kernel: 6.%d\nUnit kmem-B/1000zombies better=lower\n", kernel)
		for i := range 6 {
			fmt.Fprintf(&b, "BenchmarkZombies/count=500 500 %d kmem-B/1000zombies\n", bytes+i)
		}
	}
	set, errs := results.Read(strings.NewReader(b.String()), "both.txt")
	if len(errs) > 0 {
		log.Fatal(errs)
	}
	return set
}

// A query makes a report, a report a document, and a document is rendered in any
// format.
func Example() {
	r, err := report.New(trials(), report.Query{Filter: "kernel:6.0", Units: []string{"kmem-B"}})
	if err != nil {
		log.Fatal(err)
	}
	doc := r.Doc()
	fmt.Println(doc.Facts[0])
	if err := doc.Write(os.Stdout, report.CSV); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1000 zombies hold 9.2 MiB of kernel memory charged to their cgroup on Linux 6.0; how the children ended was not recorded.
	// table,n,kmem-B (B/zombie),kmem-B (B/zombie) lo,kmem-B (B/zombie) hi
	// What one zombie holds,6,9640.0025,9640,9640.005
	//
	// table,count,n,kmem-B/1000zombies,kmem-B/1000zombies lo,kmem-B/1000zombies hi
	// Zombies,500,6,9.6400025e+06,9.64e+06,9.640005e+06
}

// Check is for gates: is the second file significantly worse than the first?
func ExampleCheck() {
	set := trials()
	for i := range set.Records {
		set.Records[i].File = results.Lookup(set.Records[i].Config, "kernel")
	}
	verdict, err := report.Check(set, report.Query{Ignore: "kernel"}, 0.03)
	if err != nil {
		log.Fatal(err)
	}
	for _, worse := range verdict.Worse {
		fmt.Println(worse.Unit, worse.Change.Percent)
	}
	// Output: kmem-B/1000zombies +10.37%
}
