// Package lifecycle follows the processes of a machine by tracepoints: who starts
// them (sched_process_fork), when they die (sched_process_exit), how long the dead
// wait to be reaped (sched_process_wait, sched_process_free).
//
// In flow the kernel's events, which BPF programs add up inside the kernel, by
// parent; out flow sums since [Start]. Nothing is sent for each event, so a
// million forks cost no more memory than one, and what the maps have no room for
// is still in the sums of all and is counted as such.
//
// It needs Linux 5.8, BTF, CAP_BPF and CAP_PERFMON. It is not for what was there
// before it started: package taskscan sees that.
//
// # When a zombie was reaped
//
// No tracepoint tells. sched_process_free comes a grace period of RCU after the
// reap, some milliseconds. But who reaps has called wait, which does not sleep if
// there is a zombie: so a parent's last call of wait before sched_process_free is
// the reap, if it came after the death; if it came before, the parent slept in it
// or ignores SIGCHLD, and the zombie did not wait at all. Only where another
// process than the parent at death reaped (an init that inherited) is the time
// that of sched_process_free. A parent that calls wait all the time looks later than
// it is, for a call may come between the reap and sched_process_free: by one grace
// period at most.
package lifecycle
