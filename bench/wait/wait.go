// Package wait waits: for children past os/exec, by waitid(2) and wait(2), again if a
// signal interrupts it, and for time to pass. In flows which child, out flows how it
// ended. It is not for a child of os/exec's, which waits for its own.
package wait

import (
	"context"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a child ended: si_code of waitid(2), the same on every architecture.
const (
	Exited = 1 // CLD_EXITED: by itself
	Killed = 2 // CLD_KILLED: by a signal
	Dumped = 3 // CLD_DUMPED: by a signal, with a core dump
)

// A Child is what is said of one; all zeros if there is nothing to say.
type Child struct {
	PID    int
	Code   int32 // Exited, Killed or Dumped
	Status int32 // the exit status, or the signal
}

// ID is waitid(2).
func ID(kind, id, options int) (Child, error) {
	var info unix.Siginfo
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Waitid(kind, id, &info, options, nil)
	}
	// x/sys/unix leaves in the padding what is behind the first three ints: si_pid, si_uid
	// and si_status, aligned as a pointer is (include/uapi/asm-generic/siginfo.h).
	words := (*[32]int32)(unsafe.Pointer(&info))
	at := 3
	if unsafe.Sizeof(uintptr(0)) == 8 {
		at = 4
	}
	return Child{PID: int(words[at]), Code: info.Code, Status: words[at+2]}, err
}

// Until collects whatever child ends until that of a pid has ended, and returns its
// exit status as a shell gives it: 128 and more for signals.
func Until(pid int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case got == pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case got == pid && ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}

// Sleep sleeps for d or until ctx ends, and returns the cause of that.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
