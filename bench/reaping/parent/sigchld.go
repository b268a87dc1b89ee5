package parent

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// saNoCldWait is SA_NOCLDWAIT (include/uapi/asm-generic/signal-defs.h).
const saNoCldWait = 2

// A sigaction is the kernel's struct sigaction: a handler, flags, then a
// restorer where there is one and the mask, which stay zero here.
type sigaction struct {
	handler, flags uintptr
	rest           [8]uintptr
}

// dispose sets the disposition of SIGCHLD, past the Go runtime. Nothing in this
// program asks for the signal.
func dispose(how string) error {
	const sigDfl, sigIgn = 0, 1
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return fmt.Errorf("the layout of struct sigaction on %s is not known here", runtime.GOARCH)
	}
	var a sigaction
	switch how {
	case Default:
		a.handler = sigDfl
	case Ignore:
		a.handler = sigIgn
	case NoCldWait:
		a.flags = saNoCldWait
	default:
		return fmt.Errorf("no disposition of SIGCHLD is called %q", how)
	}
	const setSize = 8 // bytes of the kernel's sigset_t
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD),
		uintptr(unsafe.Pointer(&a)), 0, setSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
