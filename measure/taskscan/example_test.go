package taskscan_test

import (
	"fmt"
	"time"

	"zombench/measure/taskscan"
)

// A Scanner (New) calls for every process with a Task like this one: a zombie, dead for
// three seconds, as /proc/PID/stat would have it.
func ExampleTask_Process() {
	task := taskscan.Task{PID: 4711, PPid: 1, State: 'Z', Threads: 1, Start: time.Hour, Dead: 3 * time.Second}
	p := task.Process()
	fmt.Println(p.PID, p.Zombie(), p.Started())
	// Output: 4711 true 1h0m0s
}
