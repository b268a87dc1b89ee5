package army

import "golang.org/x/sys/unix"

// How a child ended: si_code of waitid(2), the same on every architecture.
const (
	cldExited = 1 // CLD_EXITED: by itself
	cldKilled = 2 // CLD_KILLED: by a signal
	cldDumped = 3 // CLD_DUMPED: by a signal, with a core dump
)

// isDead reports whether a child of this process is dead, and leaves it a zombie.
// It waits for that if it may.
func isDead(pid int, wait bool) (bool, error) {
	options := unix.WEXITED | unix.WNOWAIT
	if !wait {
		options |= unix.WNOHANG
	}
	info, err := waitid(pid, options)
	return info.Signo != 0, err // all zeros if there is nothing to tell (waitid(2))
}

// collect reaps a child that this very thread has started, and returns its
// si_code. It waits if the child still lives.
func collect(pid int) (code int32, err error) {
	info, err := waitid(pid, unix.WEXITED|unix.WNOTHREAD)
	return info.Code, err
}

func waitid(pid, options int) (info unix.Siginfo, err error) {
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, options, nil)
		if err != unix.EINTR {
			return info, err
		}
	}
}
