package army

import (
	"golang.org/x/sys/unix"

	"zombench/cmd/zombied/internal/clone"
)

// isDead reports whether a child of this process is dead, and leaves it a zombie.
// It waits for that if it may.
func isDead(pid int, wait bool) (bool, error) {
	options := unix.WEXITED | unix.WNOWAIT
	if !wait {
		options |= unix.WNOHANG
	}
	info, err := clone.Waitid(pid, options)
	return info.Signo != 0, err // all zeros if there is nothing to tell (waitid(2))
}

// collect reaps a child that this very thread has started, and returns its
// si_code. It waits if the child still lives.
func collect(pid int) (code int32, err error) {
	info, err := clone.Waitid(pid, unix.WEXITED|unix.WNOTHREAD)
	return info.Code, err
}
