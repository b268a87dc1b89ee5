package clone

import "golang.org/x/sys/unix"

// How a child ended: si_code of waitid(2), the same on every architecture.
const (
	CldExited = 1 // CLD_EXITED: by itself
	CldKilled = 2 // CLD_KILLED: by a signal
	CldDumped = 3 // CLD_DUMPED: by a signal, with a core dump
)

// Waitid waits for a child of this process by options (WEXITED, WNOWAIT, ...),
// again if a signal interrupts it.
func Waitid(pid, options int) (info unix.Siginfo, err error) {
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, options, nil)
		if err != unix.EINTR {
			return info, err
		}
	}
}
