package pidns_test

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"zombench/bench/daemon/pidns"
)

// A wrapped command starts this executable first, as the init of each namespace.
func ExampleWrap() {
	cmd := exec.Command("/bin/true")
	pidns.Wrap(cmd, 2)
	fmt.Println(cmd.Args[0], cmd.Args[len(cmd.Args)-1], filepath.Base(cmd.Path) != "true")
	// Output: zombench-pidns-init /bin/true true
}
