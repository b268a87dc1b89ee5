package spawning

import (
	"fmt"
	"os/exec"
	"strconv"

	"zombench/bench/cpus"
	"zombench/bench/daemon"
	"zombench/bench/reexec"
)

// pinName is the argument zero of what pins itself and becomes a program. The
// affinity is kept across execve (sched_setaffinity(2)).
const pinName = "zombench-pin"

// pinProgram is that, for main to dispatch. Its argument is the CPU.
func pinProgram() reexec.Program {
	return reexec.Becoming(pinName, 1, func(args []string) error {
		cpu, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("want a CPU, got %q", args[0])
		}
		return cpus.Keep(0, cpu)
	})
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
