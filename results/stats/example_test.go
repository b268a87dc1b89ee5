package stats_test

import (
	"fmt"

	"zombench/results/stats"
)

// Armies of three sizes, two trials each: each zombie adds 10 kB, and 400 kB fit
// into slabs that were there. A single difference would be biased by these.
func ExampleTheilSen() {
	counts := []float64{500, 500, 1000, 1000, 2000, 2000}
	added := []float64{4.60e6, 4.60e6, 9.60e6, 9.61e6, 19.60e6, 19.59e6} // bytes
	line, err := stats.TheilSen(counts, added, stats.Confidence)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f B a zombie (%.0f to %.0f), and %.0f B for none\n", line.Slope, line.Lo, line.Hi, line.Intercept)
	// Output: 10000 B a zombie (9980 to 10020), and -400000 B for none
}

// The largest difference of a control is the noise: this instrument shows none
// that can be told from it.
func ExampleEstimate_AboveNoise() {
	counts, added := []float64{100, 100, 200, 200}, []float64{3000, 9000, 5000, 8000}
	for _, controls := range [][]float64{{512, 128}, {12000, -4000}} {
		e, err := stats.NewEstimate(counts, added, controls)
		fmt.Println(e.Floor, e.AboveNoise(), err)
	}
	// Output:
	// 512 true <nil>
	// 12000 false <nil>
}
