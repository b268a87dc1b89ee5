// Package reexec lets one executable be several programs: the janitor that
// outlives a run, the init of a pid namespace, a parent under test. A program
// is a name and a main; it is started by its name as argument zero, so that
// ps(1) shows what it is.
//
// It is not for commands that people type: those are cmd/zombench's.
package reexec

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// A Program is what this executable becomes when it is started by Command.
type Program struct {
	Name string                  // its argument zero
	Main func(args []string) int // args are those behind argument zero; the result is the exit status
}

// Reporting makes the main of a program from what returns an error, which is
// printed behind what was being done and ends the program with a status. A nil
// error is status 0.
func Reporting(doing string, status int, main func(args []string) error) func(args []string) int {
	return func(args []string) int {
		if err := main(args); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", doing, err)
			return status
		}
		return 0
	}
}

// Becoming makes the program of a name that does something to itself which execve(2)
// keeps, and becomes another: the one that Wrap was given, with as many arguments
// before it as do takes.
func Becoming(name string, arguments int, do func(args []string) error) Program {
	return Program{name, Reporting(name, 126, func(args []string) error {
		if len(args) < arguments+2 {
			return fmt.Errorf("want %d arguments, a program and its name, got %q", arguments, args)
		}
		runtime.LockOSThread() // execve keeps what the calling thread has
		if err := do(args[:arguments]); err != nil {
			return err
		}
		path, argv := args[arguments], args[arguments+1:]
		return fmt.Errorf("becoming %s: %w", path, syscall.Exec(path, argv, os.Environ()))
	})}
}

// Dispatch becomes the program that this process was started as, and returns
// if it was started as none of them. Call it first in main and in TestMain.
func Dispatch(programs ...Program) {
	for _, p := range programs {
		if os.Args[0] == p.Name {
			os.Exit(p.Main(os.Args[1:]))
		}
	}
}

// self is this executable, also after its file was replaced or removed
// (proc_pid_exe(5)).
const self = "/proc/self/exe"

// Command returns a command that starts this executable as the program of a
// name, which the executable's main has to dispatch. A program does not start
// itself: what was started by a name that nobody dispatched would run main again,
// and so on, until there are no more pids.
func Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(self, args...)
	cmd.Args[0] = name
	if os.Args[0] == name {
		cmd.Err = fmt.Errorf("%s would start itself: nobody dispatched it", name)
	}
	return cmd
}

// Wrap changes a command that was not started so that this executable runs as
// the program of a name instead; args precede the command's own path and
// arguments.
func Wrap(cmd *exec.Cmd, name string, args ...string) {
	args = append([]string{name}, args...)
	cmd.Args = append(append(args, cmd.Path), cmd.Args...)
	cmd.Path = self
}
