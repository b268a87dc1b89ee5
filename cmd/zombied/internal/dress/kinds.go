package dress

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"zombench/cmd/zombied/internal/clone"
)

// address keeps what p points to for the children and returns where it is.
func address[T any](o *outfit, p *T) uintptr {
	o.keep = append(o.keep, p)
	return uintptr(unsafe.Pointer(p))
}

// elements is address of a slice that is not empty.
func elements[T any](o *outfit, s []T) uintptr { return address(o, &s[0]) }

// text is address of a string as C has it.
func text(o *outfit, s string) uintptr { return elements(o, append([]byte(s), 0)) }

func setsid(o *outfit, _ int) error { o.do(unix.SYS_SETSID); return nil }

func threads(o *outfit, n int) error {
	if !clone.HasThreads {
		return fmt.Errorf("no thread without a stack on this architecture: %w", errors.ErrUnsupported)
	}
	o.call(clone.Call{Threads: true, Times: n})
	return nil
}

func groups(o *outfit, n int) error {
	list := make([]uint32, n)
	for i := range list {
		list[i] = uint32(i + 1)
	}
	o.do(unix.SYS_SETGROUPS, uintptr(n), elements(o, list))
	return nil
}

func keyring(o *outfit, keys int) error {
	o.do(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	if keys < 1 {
		return nil
	}
	// A key of the same name would only be changed. Of the user's kernel.keys.maxbytes
	// each takes its name with its end and its payload.
	const name = 8
	names := make([]byte, 0, keys*name)
	for i := range keys {
		names = append(names, fmt.Sprintf("%07d\x00", i)...)
	}
	c := clone.Call{
		Number: unix.SYS_ADD_KEY,
		Args:   [6]uintptr{text(o, "user"), elements(o, names), elements(o, make([]byte, keyPayload)), keyPayload, uintptr(^uint32(2))},
		Times:  keys, Step: 2, Stride: name,
	}
	if keys == mostKeys {
		c.Enough = uintptr(unix.EDQUOT)
	}
	o.call(c)
	return nil
}

// mostKeys stands for as many as there may be.
const mostKeys = 1 << 16

// keyPayload is what a key holds: as many keys as a user may have by default
// (200) fit into what they may hold (20 000 bytes) with it.
const keyPayload = 80

// A sockFprog is struct sock_fprog, on 32 bit too.
type sockFprog struct {
	len    uint16
	filter unsafe.Pointer
}

func seccomp(o *outfit, n int) error {
	const load, allow = 0x20 /* BPF_LD|BPF_W|BPF_ABS */, 0x06 /* BPF_RET|BPF_K */
	filter := make([]unix.SockFilter, n)
	for i := range filter {
		filter[i].Code = load
	}
	filter[n-1] = unix.SockFilter{Code: allow, K: 0x7fff0000} // SECCOMP_RET_ALLOW
	elements(o, filter)
	program := &sockFprog{uint16(n), unsafe.Pointer(&filter[0])}
	o.do(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	o.do(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, address(o, program))
	return nil
}

// userns nests: who wants a namespace within one must have a name there, so each
// maps itself first.
func userns(o *outfit, n int) error {
	o.flags |= unix.CLONE_NEWUSER
	uid, gid := os.Geteuid(), os.Getegid()
	for range n - 1 {
		o.write("/proc/self/setgroups", "deny")
		o.write("/proc/self/uid_map", fmt.Sprintf("0 %d 1", uid))
		o.write("/proc/self/gid_map", fmt.Sprintf("0 %d 1", gid))
		o.do(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
		uid, gid = 0, 0
	}
	return nil
}

// write writes a file.
func (o *outfit) write(path, what string) {
	here := unix.AT_FDCWD
	o.call(clone.Call{Number: unix.SYS_OPENAT, Args: [6]uintptr{uintptr(here), text(o, path), unix.O_WRONLY}, Keep: true})
	o.call(clone.Call{Number: unix.SYS_WRITE, Args: [6]uintptr{0, text(o, what), uintptr(len(what))}, Kept: 1})
	o.call(clone.Call{Number: unix.SYS_CLOSE, Kept: 1})
}

// lastSignal is a real-time signal (SIGRTMAX): each one that is sent is queued.
// The children have it blocked, as all.
const lastSignal = 64

func pending(o *outfit, n int) error {
	// By sigqueue(3), since kill(2) says nothing when the limit is met.
	siginfo := &[32]int32{0: lastSignal, 2: -1} // SI_QUEUE
	c := clone.Call{Number: unix.SYS_RT_SIGQUEUEINFO, Args: [6]uintptr{0, lastSignal, address(o, siginfo)}, Kept: 1, Times: n}
	if n == unlimited {
		c.Enough = uintptr(unix.EAGAIN)
	}
	o.call(clone.Call{Number: unix.SYS_GETPID, Keep: true}, c)
	return nil
}

const unlimited = 1<<31 - 1

// landlock enters a domain that allows everything beneath the root, or, with
// rules, so many ports (Linux 6.7).
func landlock(o *outfit, rules int) error {
	const pathBeneath, netPort = 1, 2
	attr := &[2]uint64{} // handled_access_fs, handled_access_net
	rule := clone.Call{Number: unix.SYS_LANDLOCK_ADD_RULE, Kept: 1}
	size := uintptr(8)
	if rules < 1 {
		root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0) // for as long as the program runs
		if err != nil {
			return err
		}
		attr[0] = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
		// struct landlock_path_beneath_attr, packed
		beneath := &[3]uint32{unix.LANDLOCK_ACCESS_FS_WRITE_FILE, 0, uint32(root)}
		if bigEndian() {
			beneath[0], beneath[1] = beneath[1], beneath[0]
		}
		rule.Args = [6]uintptr{0, pathBeneath, address(o, beneath)}
	} else {
		const bind = 1 // LANDLOCK_ACCESS_NET_BIND_TCP
		attr[1], size = bind, 16
		ports := make([][2]uint64, rules)
		for i := range ports {
			ports[i] = [2]uint64{bind, uint64(i)}
		}
		rule.Args = [6]uintptr{0, netPort, elements(o, ports)}
		rule.Times, rule.Step, rule.Stride = rules, 3, 16
	}
	o.do(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	o.call(clone.Call{Number: unix.SYS_LANDLOCK_CREATE_RULESET, Args: [6]uintptr{address(o, attr), size}, Keep: true}, rule)
	o.call(clone.Call{Number: unix.SYS_LANDLOCK_RESTRICT_SELF, Kept: 1})
	return nil
}

func bigEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}

// uring makes an io_uring and tells the kernel to look for something to do: the
// task's part is made at one of the two, depending on the kernel.
func uring(o *outfit, _ int) error {
	params := &[120]byte{} // struct io_uring_params
	o.call(clone.Call{Number: unix.SYS_IO_URING_SETUP, Args: [6]uintptr{1, address(o, params)}, Keep: true})
	o.call(clone.Call{Number: unix.SYS_IO_URING_ENTER, Args: [6]uintptr{0, 1}, Kept: 1})
	return nil
}

func cgroup(o *outfit, _ int) error { o.cgroups |= own; return nil }
func grave(o *outfit, _ int) error  { o.cgroups |= own | removed; return nil }

// oom has the child take more memory than a cgroup has that it joins for that.
func oom(o *outfit, _ int) error {
	o.cgroups |= small
	o.killed = true
	return o.touch(4 * smallMemory)
}

// sve changes the length of the vector registers. For a new one the kernel makes
// room at once (vec_set_vector_length in arch/arm64/kernel/fpsimd.c, since Linux
// 6.5), so no instruction is needed that uses them.
func sve(o *outfit, n int) error {
	if runtime.GOARCH != "arm64" {
		return fmt.Errorf("an arm64 CPU has such registers: %w", errors.ErrUnsupported)
	}
	o.do(unix.SYS_PRCTL, unix.PR_SVE_SET_VL, uintptr(n))
	return nil
}

func files(o *outfit, n int) error {
	here := unix.AT_FDCWD
	o.call(clone.Call{Number: unix.SYS_OPENAT, Args: [6]uintptr{uintptr(here), text(o, os.DevNull), unix.O_RDONLY}, Times: n})
	return nil
}

func rss(o *outfit, n int) error { return o.touch(n) }

// touch has the child read zeros into memory that is there and was not touched
// yet, so it need not map it. The daemon itself never touches it.
func (o *outfit) touch(n int) error {
	memory, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	o.do(unix.SYS_READ, uintptr(zero), uintptr(unsafe.Pointer(&memory[0])), uintptr(n))
	return nil
}

func timer(o *outfit, _ int) error {
	id := new(int32)
	hour := &[4]uintptr{2: 3600} // struct itimerspec: it_value
	o.do(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, 0, address(o, id))
	// The id is 0: a process's first timer, and the children have none.
	o.do(unix.SYS_TIMER_SETTIME, 0, 0, address(o, hour), 0)
	return nil
}

func perf(o *outfit, _ int) error {
	attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv}
	attr.Size = uint32(unsafe.Sizeof(*attr))
	self, any, no := 0, -1, -1
	o.do(unix.SYS_PERF_EVENT_OPEN, address(o, attr), uintptr(self), uintptr(any), uintptr(no), 0)
	return nil
}
