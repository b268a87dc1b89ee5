package host_test

import (
	"fmt"

	"zombench/measure/procs"
	"zombench/results/report/host"
)

// A monitoring system takes a line and a status.
func ExampleCheck() {
	line, status := host.Check(&procs.Result{Zombies: 120}, nil, 100, 1000)
	fmt.Println(line)
	fmt.Println(status)
	// Output:
	// ZOMBIES WARNING - 120 zombies | zombies=120;100;1000;0
	// 1
}
