package lifecycle_test

import (
	"fmt"
	"time"

	"zombench/measure/lifecycle"
)

// How long zombies waited is counted inside the kernel, in buckets: a quantile is known
// to the width of one.
func ExampleLatency_Quantile() {
	var l lifecycle.Latency
	for i := range l.Buckets {
		if lo, hi := lifecycle.Bucket(i); lo <= 5*time.Millisecond && 5*time.Millisecond < hi {
			l.Buckets[i], l.Count = 100, 100 // all of them waited about 5 ms
		}
	}
	l.Longest = 6 * time.Millisecond
	lo, hi := l.Quantile(0.99)
	fmt.Println(lo <= 5*time.Millisecond, 5*time.Millisecond <= hi)
	// Output: true true
}
