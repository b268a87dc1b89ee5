// Package cpus says on which CPUs this process may run, and keeps threads on one
// of them: in flow numbers of CPUs and threads, nothing flows out. It is not for what
// the CPUs are: that is package measure's.
package cpus

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Allowed returns the CPUs that the calling thread may run on, the lowest first
// (sched_getaffinity(2)). The first is where interrupts go as a rule.
func Allowed() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("reading the CPU affinity: %w", err)
	}
	all := make([]int, 0, set.Count())
	for cpu := 0; len(all) < cap(all); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// Keep keeps a thread on one CPU; 0 is the calling one. Children and execve(2)
// inherit that. The error is ESRCH if the thread has ended.
func Keep(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("to CPU %d: %w", cpu, err)
	}
	return nil
}

// Borrow keeps the calling thread on one CPU until it is given back, by the same
// thread: lock it. That it ends is not enough, for the first thread of a process
// does not, and stays where it is (mexit in the Go runtime).
func Borrow(cpu int) (giveBack func() error, err error) {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("reading the CPU affinity: %w", err)
	}
	if err := Keep(0, cpu); err != nil {
		return nil, err
	}
	return func() error {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			return fmt.Errorf("giving CPU %d back: %w", cpu, err)
		}
		return nil
	}, nil
}
