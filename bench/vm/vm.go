// Package vm runs a program under another Linux kernel, in QEMU.
//
// In flow a kernel image and the files of an initramfs, the program among them;
// out flow the program's output, proven byte for byte (package console), and its
// exit status, or an error that says in which way the guest failed.
//
// It does not know what the program is for, and keeps nothing. Whoever measures
// in a guest has to know that sizes are the same under software emulation as on
// the metal, and durations are not. The guest's side is package guest; kernels
// are found by package debian, or by the user.
package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/tail"
	"zombench/bench/vm/console"
	"zombench/bench/vm/initramfs"
)

// A Config says what to boot. Kernel and Files are needed.
type Config struct {
	Kernel Kernel
	Files  []initramfs.File // /init among them

	Accel   Accel         // "" is TCG
	CPU     string        // QEMU's CPU model; "" is that of the architecture
	CPUs    int           // online; 0 is 1
	MaxCPUs int           // possible: what the kernel keeps for each CPU it keeps for these; 0 is as many as are online
	Memory  int           // MiB; 0 is that of the architecture
	Append  []string      // further kernel parameters
	Timeout time.Duration // from QEMU's start to the end marker; 0 is DefaultTimeout

	Stderr  io.Writer // gets the guest's standard error as it comes; may be nil
	Console io.Writer // gets the whole console, raw; may be nil
}

// DefaultTimeout is far more than a healthy guest takes.
const DefaultTimeout = 5 * time.Minute

const (
	// afterEnd is how long a guest may take to power off after its end marker.
	afterEnd = 5 * time.Second
	// afterPanic is how long the rest of a panic's report may take: not every
	// machine resets.
	afterPanic = 3 * time.Second
)

// A Result is what a guest said.
type Result struct {
	Stdout  []byte
	Stderr  []byte        // at most the last 64 KiB
	Elapsed time.Duration // QEMU's life
}

// Boot runs the guest until it has ended and returns its output. It kills QEMU
// when ctx ends, when the time is over, and when this process dies; there are
// no temporary files.
//
// Its errors are *NotKernelError, *GuestError, *ExitError and
// *console.FrameError, wrapped with the kernel's name, ctx's, or QEMU's own. With
// an *ExitError comes what the program printed before it failed.
func Boot(ctx context.Context, c Config) (*Result, error) {
	res, err := boot(ctx, c)
	if err != nil {
		return res, fmt.Errorf("%s: %w", c.Kernel.Name, err)
	}
	return res, nil
}

func boot(ctx context.Context, c Config) (*Result, error) {
	arch, err := LookupArch(c.Kernel.GOARCH)
	if err != nil {
		return nil, err
	}
	qemu, err := arch.LookQEMU()
	if err != nil {
		return nil, err
	}
	image, err := openImage(c.Kernel.Path)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	initrd, err := memfile("initramfs")
	if err != nil {
		return nil, err
	}
	defer initrd.Close()
	if err := initramfs.Pack(initrd, c.Files); err != nil {
		return nil, err
	}

	timeout := cmp.Or(c.Timeout, DefaultTimeout)
	run, stop := context.WithTimeout(ctx, timeout)
	defer stop()

	var stderr tail.Log
	dec := console.NewDecoder(c.Stderr)
	args := append(arch.args(c), "-kernel", "/proc/self/fd/3", "-initrd", "/proc/self/fd/4")
	cmd := exec.CommandContext(run, qemu, args...)
	cmd.ExtraFiles = []*os.File{image, initrd} // descriptors 3 and 4 of QEMU
	cmd.Stdout = &watch{dec: dec, raw: c.Console, stop: stop}
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second

	// Pdeathsig is sent when the thread that forked ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	runErr := cmd.Run()
	elapsed := time.Since(start)

	out, err := dec.Result()
	switch {
	case err == nil:
		res := &Result{Stdout: out.Stdout, Stderr: out.Stderr, Elapsed: elapsed}
		if out.Status != 0 {
			return res, &ExitError{Status: out.Status, Stderr: string(out.Stderr)}
		}
		return res, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case !errors.Is(err, console.ErrNoEnd):
		return nil, err
	case dec.PanicMessage() != "":
		return nil, failed(dec, arch.memory(c), "the kernel panicked: "+dec.PanicMessage())
	case errors.Is(run.Err(), context.DeadlineExceeded):
		return nil, failed(dec, arch.memory(c), fmt.Sprintf("no end marker after %v, %s", timeout, begun(dec.Begun())))
	case runErr != nil:
		return nil, fmt.Errorf("QEMU failed: %w%s", runErr, quote(stderr.Lines()))
	default:
		return nil, failed(dec, arch.memory(c), "the machine went down without an end marker, "+begun(dec.Begun()))
	}
}

// scarce is the memory, in MiB, in which Debian's kernels of amd64 do not reach their
// init: they panic for want of it, or stop before they have a console.
const scarce = 96

// failed makes the error of a guest with some MiB of memory to which something
// happened before its end.
func failed(dec *console.Decoder, memory int, what string) error {
	const quoted = 5 // console lines
	e := &GuestError{What: what, OutOfMemory: dec.OutOfMemory(), Console: dec.Tail(quoted)}
	if e.OutOfMemory == "" && !dec.Begun() && memory < scarce {
		e.OutOfMemory = fmt.Sprintf("it has %d MiB", memory)
	}
	return e
}

// memory returns the MiB that a guest is given.
func (a Arch) memory(c Config) int { return cmp.Or(c.Memory, a.Memory) }

// args returns QEMU's arguments for c, without the kernel and the initramfs.
func (a Arch) args(c Config) []string {
	cpus := max(c.CPUs, 1)
	params := []string{
		"console=" + a.Console,
		"panic=-1",      // reset at once, and -no-reboot makes that an exit
		"loglevel=4",    // errors
		"printk.time=1", // the stamp by which package console knows a kernel message
	}
	if a.Params != "" {
		params = append(params, a.Params)
	}
	if c.MaxCPUs > cpus {
		// All are there, and those beyond are not started. CPUs that could only be
		// plugged in later do not count on x86 unless Linux knows the hypervisor
		// (acpi_is_processor_usable in arch/x86/kernel/acpi/boot.c, Linux 6.12).
		params = append(params, fmt.Sprintf("maxcpus=%d", cpus))
	}
	args := []string{
		"-accel", string(cmp.Or(c.Accel, TCG)), "-smp", strconv.Itoa(max(cpus, c.MaxCPUs)), "-m", strconv.Itoa(a.memory(c)),
		"-nodefaults", "-no-user-config", "-no-reboot",
		"-display", "none", "-monitor", "none", "-serial", "stdio",
		"-append", strings.Join(append(params, c.Append...), " "),
	}
	if a.Machine != "" {
		args = append(args, "-M", a.Machine)
	}
	return append(args, "-cpu", cmp.Or(c.CPU, a.CPU))
}

// watch hands the console on and ends a guest that has nothing more to say.
type watch struct {
	dec   *console.Decoder
	raw   io.Writer
	stop  context.CancelFunc
	timer *time.Timer
}

func (w *watch) Write(p []byte) (int, error) {
	if w.raw != nil {
		w.raw.Write(p) // a full disk under a log must not end the guest
	}
	w.dec.Write(p)
	if w.timer == nil {
		switch {
		case w.dec.Done():
			w.timer = time.AfterFunc(afterEnd, w.stop)
		case w.dec.PanicMessage() != "":
			w.timer = time.AfterFunc(afterPanic, w.stop)
		}
	}
	return len(p), nil
}

// memfile returns an empty file that is in no directory and vanishes with its
// last descriptor.
func memfile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory for the %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
