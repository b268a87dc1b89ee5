// Package cpus says on which CPUs this process may run, and keeps threads on one
// of them. It is not for what the CPUs are: that is package measure's.
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
		return fmt.Errorf("keeping thread %d on CPU %d: %w", tid, cpu, err)
	}
	return nil
}
