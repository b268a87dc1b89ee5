package program_test

import (
	"fmt"

	"zombench/cmd/zombied/internal/program"
)

// A program of one's own is named by its file, so that results of two that share
// a path are told apart.
func ExampleFind() {
	_, err := program.Find("no-such-program")
	fmt.Println(err)
	own, err := program.Find(program.OwnName)
	fmt.Println(own.Name == program.OwnName || own.Note != "", err)
	// Output:
	// the program that the children execute: exec: "no-such-program": executable file not found in $PATH
	// true <nil>
}
