package vm

import (
	"errors"
	"fmt"
	"strings"
)

// ErrFailed is what errors.Is finds where a guest did not come to its end: its kernel
// panicked, hung or was reset.
var ErrFailed = errors.New("the guest gave no result")

// ErrTooSmall is what errors.Is finds in a failure of a guest that had too
// little memory to come up.
var ErrTooSmall = errors.New("the guest has too little memory")

// A NotKernelError says that a file is no kernel that can be booted.
type NotKernelError struct{ Path, Reason string }

func (e *NotKernelError) Error() string {
	return fmt.Sprintf("%s is not a kernel image: %s", e.Path, e.Reason)
}

// A GuestError says in which way a guest did not come to its end.
type GuestError struct {
	What        string   // happened
	OutOfMemory string   // what says that it had too little memory, or ""
	Console     []string // the last lines
}

func (e *GuestError) Error() string {
	what := e.What
	if e.OutOfMemory != "" {
		what += fmt.Sprintf(" (the guest has too little memory: %s)", e.OutOfMemory)
	}
	return what + quote(e.Console)
}

// Is answers for ErrFailed and ErrTooSmall.
func (e *GuestError) Is(target error) bool {
	return target == ErrFailed || target == ErrTooSmall && e.OutOfMemory != ""
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

func quote(lines []string) string {
	text := strings.Join(lines, " | ")
	if text == "" {
		return "; the console is empty"
	}
	return "; last: " + text
}
