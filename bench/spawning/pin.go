package spawning

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"zombench/bench/cpus"
	"zombench/bench/daemon"
	"zombench/bench/reexec"
)

// pinName is the argument zero of what pins itself and becomes a program.
const pinName = "zombench-pin"

// pinProgram is the program that pinned starts, for main to dispatch. Its
// arguments are the CPU, the program's path and its arguments with the name
// first. The affinity is kept across execve (sched_setaffinity(2)).
func pinProgram() reexec.Program {
	return reexec.Program{Name: pinName, Main: reexec.Reporting("pinning", 126, become)}
}

func become(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("want a CPU, a program and its name, got %q", args)
	}
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("want a CPU, got %q", args[0])
	}
	runtime.LockOSThread() // execve keeps what the calling thread has
	if err := cpus.Keep(0, cpu); err != nil {
		return err
	}
	return fmt.Errorf("becoming %s: %w", args[1], syscall.Exec(args[1], args[2:], os.Environ()))
}

// pinned makes a start that keeps commands on one CPU.
func pinned(cpu int, start daemon.Starter) daemon.Starter {
	return func(cmd *exec.Cmd) error {
		if cmd.Err != nil {
			return cmd.Err // no such program: the wrapper could not tell
		}
		reexec.Wrap(cmd, pinName, strconv.Itoa(cpu))
		return start(cmd)
	}
}

// lastCPU returns the highest CPU that this process may run on: the first is
// where interrupts go as a rule.
func lastCPU() (int, error) {
	all, err := cpus.Allowed()
	if err != nil {
		return 0, err
	}
	return all[len(all)-1], nil
}
