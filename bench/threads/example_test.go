package threads_test

import (
	"fmt"
	"os"

	"zombench/bench/threads"
)

// After the reserve was made, four goroutines may block in system calls without a new
// thread: the number of tasks stays.
func ExampleReserve() {
	threads.Reserve(4)
	threads.Settle()
	tasks, err := os.ReadDir("/proc/self/task")
	fmt.Println(len(tasks) >= 4, err)
	// Output: true <nil>
}
