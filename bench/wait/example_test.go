package wait_test

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
)

// A look leaves the dead child a zombie; who waits collects it.
func ExampleID() {
	sh, err := exec.LookPath("sh")
	if err != nil {
		fmt.Println(err)
		return
	}
	pid, err := syscall.ForkExec(sh, []string{"sh", "-c", "exit 3"}, &syscall.ProcAttr{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := wait.ID(unix.P_PID, pid, unix.WEXITED|unix.WNOWAIT)
	fmt.Println(c.PID == pid, c.Code == wait.Exited, c.Status, err)
	fmt.Println(wait.Until(pid))
	// Output:
	// true true 3 <nil>
	// 3 <nil>
}
