package janitor_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"zombench/bench/janitor"
	"zombench/measure"
)

// One run at a time has the machine; another one is told who has it.
func ExampleAcquire() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	lock, err := janitor.Acquire(context.Background(), filepath.Join(dir, "lock"), measure.Host())
	if err != nil {
		log.Fatal(err)
	}
	_, held := janitor.Acquire(context.Background(), filepath.Join(dir, "lock"), measure.Host())
	fmt.Printf("%T\n", held)
	fmt.Println(lock.Close())
	// Output:
	// *janitor.HeldError
	// <nil>
}
