package clone

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Call is a system call that a child makes between its birth and its end. What
// its arguments point to belongs to the caller, who keeps it alive until Live has
// returned; the child has a copy.
type Call struct {
	Number uintptr
	Args   [6]uintptr
	Keep   bool // its result is kept for the calls that follow
	Kept   int  // this argument, counted from 1, is what was kept; 0: none is

	Times   int     // how often it is made; 0 means once
	Step    int     // this argument, counted from 1, grows by Stride each time; 0: none does
	Stride  uintptr //
	Enough  uintptr // an errno that ends the repetition and is no failure
	Threads bool    // not a system call at all: start a thread that ends at once
}

// HasThreads reports whether a child can have threads here: one that shares its
// memory must not touch its stack, which takes assembly.
const HasThreads = hasThreads

// Live starts a child with clone(2) by flags (CLONE_NEWUSER, ...), which has a
// memory of its own, makes the calls and exits: with status 0, or, when one of
// them fails, at once with its errno. Calls are no longer looked at when Live
// returns. The error is a unix.Errno of clone(2).
//
// Unlike a child of Exited it may use its stack, which is a copy. But it has no
// Go runtime, and like those it gets no signal.
func Live(flags uintptr, calls []Call) (pid int32, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before sigset
	if err := setMask(&blockAll, &before); err != nil {
		return 0, err
	}
	defer func() { _ = setMask(&before, nil) }() // fails only for wrong arguments
	r, errno := live(flags|uintptr(unix.SIGCHLD), unsafe.Pointer(unsafe.SliceData(calls)), len(calls))
	if errno != 0 {
		return 0, unix.Errno(errno)
	}
	return int32(r), nil
}

// live returns in the parent only. In the child nothing may look at the size of
// the stack, be preempted or be watched for races.
//
//go:nosplit
//go:norace
//go:nocheckptr
func live(flags uintptr, calls unsafe.Pointer, n int) (pid, errno uintptr) {
	var stack uintptr
	if runtime.GOARCH == "s390x" { // CONFIG_CLONE_BACKWARDS2: the stack comes first
		flags, stack = stack, flags
	}
	r, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, flags, stack, 0, 0, 0, 0)
	if r != 0 || e != 0 {
		return r, uintptr(e)
	}
	var kept, status uintptr
	for i := 0; i < n && status == 0; i++ {
		c := (*Call)(unsafe.Add(calls, uintptr(i)*unsafe.Sizeof(Call{})))
		a := c.Args
		replace(&a, c.Kept, kept)
		for times := max(c.Times, 1); times > 0; times-- {
			var r, e uintptr
			if c.Threads {
				r, e = thread()
			} else {
				var err syscall.Errno
				r, _, err = syscall.RawSyscall6(c.Number, a[0], a[1], a[2], a[3], a[4], a[5])
				e = uintptr(err)
			}
			if e != 0 {
				if e != c.Enough {
					status = e
				}
				break
			}
			if c.Keep {
				kept = r
			}
			if c.Step > 0 {
				replace(&a, c.Step, argument(&a, c.Step)+c.Stride)
			}
		}
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT, status, 0, 0)
	}
}

// replace sets an argument, counted from 1; 0 is none.
//
//go:nosplit
//go:norace
func replace(a *[6]uintptr, which int, value uintptr) {
	if which > 0 {
		a[(which-1)%6] = value
	}
}

//go:nosplit
//go:norace
func argument(a *[6]uintptr, which int) uintptr { return a[(which-1)%6] }
