package tail_test

import (
	"fmt"
	"os/exec"

	"zombench/bench/tail"
)

// The last line that a program printed says best why it failed.
func Example() {
	var log tail.Log
	cmd := exec.Command("sh", "-c", "echo starting; echo no more pids >&2; exit 1")
	cmd.Stdout, cmd.Stderr = &log, &log
	fmt.Println(cmd.Run(), "-", log.LastLine())
	// Output: exit status 1 - no more pids
}
