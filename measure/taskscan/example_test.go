package taskscan_test

import (
	"errors"
	"fmt"
	"time"

	"zombench/measure"
	"zombench/measure/taskscan"
)

// A Scanner (New) calls for every process with a Task like this one: a zombie, dead for
// three seconds, as /proc/PID/stat would have it.
func ExampleTask() {
	task := taskscan.Task{Process: measure.Process{PID: 4711, PPid: 1, State: 'Z', Threads: 1, StartTicks: 360_000}, Start: time.Hour, Dead: 3 * time.Second}
	fmt.Println(task.PID, task.Zombie(), task.Started(), task.Dead)
	// Output: 4711 true 1h0m0s 3s
}

// Where it cannot be had, the error says whether the kernel lacks it or this user the
// right to it.
func ExampleNewWalker() {
	tasks, err := taskscan.NewWalker()
	switch {
	case errors.Is(err, measure.ErrNotSupported), errors.Is(err, measure.ErrNotPermitted):
		fmt.Println("walked all tasks, or said why not")
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer tasks.Close()
	if err := tasks.Walk(); err == nil {
		fmt.Println("walked all tasks, or said why not")
	}
	// Output: walked all tasks, or said why not
}
