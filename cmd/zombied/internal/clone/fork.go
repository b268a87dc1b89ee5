//go:build !amd64 && !arm64

package clone

import (
	"runtime"
	"syscall"
)

// child forks and returns in the parent only. The child has a memory of its
// own, so it may use the stack; but it has no runtime, so nothing here may look
// at the size of the stack, be preempted or be watched for races.
//
//go:nosplit
//go:norace
func child() (pid, errno uintptr) {
	flags, stack := uintptr(syscall.SIGCHLD), uintptr(0)
	if runtime.GOARCH == "s390x" { // CONFIG_CLONE_BACKWARDS2: the stack comes first
		flags, stack = stack, flags
	}
	r, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, flags, stack, 0, 0, 0, 0)
	if r == 0 && e == 0 {
		for {
			syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
		}
	}
	return r, uintptr(e)
}

const hasThreads = false

//go:nosplit
func thread() (tid, errno uintptr) { return 0, uintptr(syscall.ENOSYS) }
