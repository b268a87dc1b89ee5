package taskiter_test

import (
	"errors"
	"fmt"

	"zombench/measure"
	"zombench/measure/taskiter"
)

// Where it cannot be had, the error says whether the kernel lacks it or this user the
// right to it.
func ExampleLoad() {
	tasks, err := taskiter.Load()
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
