package army

import (
	"golang.org/x/sys/unix"

	"zombench/bench/wait"
)

// isDead reports whether a child of this process is dead, and leaves it a zombie.
// It waits for that if it may.
func isDead(pid int, patient bool) (bool, error) {
	options := unix.WEXITED | unix.WNOWAIT
	if !patient {
		options |= unix.WNOHANG
	}
	child, err := wait.ID(unix.P_PID, pid, options)
	return child.PID != 0, err
}

// collect reaps a child that this very thread has started, and returns its
// si_code. It waits if the child still lives.
func collect(pid int) (code int32, err error) {
	child, err := wait.ID(unix.P_PID, pid, unix.WEXITED|unix.WNOTHREAD)
	return child.Code, err
}
