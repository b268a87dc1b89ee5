package watch_test

import (
	"fmt"
	"time"

	"zombench/measure/watch"
)

// At ten zombies a second, give or take two, 600 more are there in a minute.
func ExampleGrowth_After() {
	g := watch.Growth{PerSecond: 10, Known: true, Lo: 8, Hi: 12, Window: time.Minute, Leak: true}
	at, lo, hi, ok := g.After(600)
	fmt.Println(at, lo, hi, ok)
	// Output: 1m0s 58.823529411s 1m1.224489795s true
}
