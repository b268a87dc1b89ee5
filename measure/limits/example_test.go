package limits_test

import (
	"fmt"

	"zombench/measure/limits"
)

// Limits that were read ([limits.Read]) are sorted by how many zombies they leave room
// for, and a rate says when that many will have come.
func Example() {
	q := limits.Query{BytesPerZombie: 10000}
	first := q.Headroom([]limits.Limit{
		{Name: "kernel.pid_max", Value: 32768, Used: 768, Unit: limits.Processes, Binds: true},
		{Name: "memory.max", Value: 64 << 20, Used: 14 << 20, Unit: limits.Bytes, Binds: true},
	})[0]
	rate, err := limits.ParseRate("26/5m")
	if err != nil {
		fmt.Println(err)
		return
	}
	after, _ := rate.After(first.Fits)
	fmt.Println(first.Name, first.Fits, after)
	// Output: memory.max 5242 16h48m4.615384615s
}
