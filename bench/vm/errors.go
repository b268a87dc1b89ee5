package vm

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrFailed is what errors.Is finds where a guest did not come to its end: its kernel
// panicked, hung or was reset.
var ErrFailed = errors.New("the guest gave no result")

// ErrTooSmall is what errors.Is finds in a failure of a guest that had too
// little memory to come up.
var ErrTooSmall = errors.New("the guest has too little memory")

// quoted is how many console lines an error quotes.
const quoted = 5

// A NotKernelError says that a file is no kernel that can be booted.
type NotKernelError struct{ Path, Reason string }

func (e *NotKernelError) Error() string {
	return fmt.Sprintf("%s is not a kernel image: %s", e.Path, e.Reason)
}

// A NoQEMUError says that the emulator of an architecture is not installed.
type NoQEMUError struct{ Binary, Package string }

func (e *NoQEMUError) Error() string {
	return fmt.Sprintf("%s not found in PATH; on Debian: apt-get install --no-install-recommends %s", e.Binary, e.Package)
}

// A QEMUError says that QEMU itself failed.
type QEMUError struct {
	Err    error
	Stderr string // the end of it
}

func (e *QEMUError) Error() string {
	return fmt.Sprintf("QEMU failed: %v%s", e.Err, quote(strings.Split(strings.TrimSpace(e.Stderr), "\n")))
}

func (e *QEMUError) Unwrap() error { return e.Err }

// Remains are what a guest left that did not end in good order.
type Remains struct {
	Begun       bool     // its init had begun
	OutOfMemory string   // what says that it had too little memory, or ""
	Console     []string // the last lines
}

// Is answers for ErrFailed and ErrTooSmall.
func (r Remains) Is(target error) bool {
	return target == ErrFailed || target == ErrTooSmall && r.OutOfMemory != ""
}

// A PanicError says that the guest's kernel panicked.
type PanicError struct {
	Message string // the kernel's own sentence
	Remains
}

func (e *PanicError) Error() string {
	return "the kernel panicked: " + e.Message + tooSmall(e.OutOfMemory) + quote(e.Console)
}

// A HangError says that the guest did not end in time.
type HangError struct {
	After time.Duration
	Remains
}

func (e *HangError) Error() string {
	return fmt.Sprintf("no end marker after %v, %s%s%s", e.After, begun(e.Begun), tooSmall(e.OutOfMemory), quote(e.Console))
}

// A ResetError says that the machine was reset or powered off before the guest
// had ended.
type ResetError struct{ Remains }

func (e *ResetError) Error() string {
	return fmt.Sprintf("the machine went down without an end marker, %s%s%s", begun(e.Begun), tooSmall(e.OutOfMemory), quote(e.Console))
}

// An ExitError says that the program in the guest failed; everything around it
// worked.
type ExitError struct {
	Status int
	Stderr string // the end of it
}

func (e *ExitError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Stderr), "\n")
	return fmt.Sprintf("the program in the guest exited with status %d: %s", e.Status, lines[len(lines)-1])
}

func begun(begun bool) string {
	if begun {
		return "though the guest's init had begun"
	}
	return "and the guest's init never began"
}

func tooSmall(oom string) string {
	if oom == "" {
		return ""
	}
	return fmt.Sprintf(" (the guest has too little memory: %s)", oom)
}

func quote(lines []string) string {
	text := strings.Join(lines, " | ")
	if text == "" {
		return "; the console is empty"
	}
	return "; last: " + text
}
