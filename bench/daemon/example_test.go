package daemon_test

import (
	"context"
	"fmt"
	"os/exec"

	"zombench/bench/daemon"
)

// A program that ends before it reports itself held is no zombied: the error has
// what it said last.
func ExampleStart() {
	refusing := func(cmd *exec.Cmd) error {
		cmd.Args = []string{"sh", "-c", "echo no room for 500 >&2; exit 1"}
		return cmd.Start()
	}
	_, err := daemon.Start(context.Background(), refusing, daemon.Options{Binary: "/bin/sh", Count: 500, Parallel: 1, Spawn: "exec"})
	fmt.Println(err)
	// Output: waiting for zombied to be ready: zombied ended (exit status 1): no room for 500
}
