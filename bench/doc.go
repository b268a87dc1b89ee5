// Package bench is the experiment as such. An Experiment says which benchmarks
// (setups) there are and how one trial of each is run; the Runner opens a Lab on
// this machine, schedules trials of everything that was asked for in one random
// order, gives each a Site (a fresh cgroup, and readings of a quiet kernel) and
// records it as a results.Trial as soon as it ended.
//
// A number counts only if nothing else can have made it: what an army cost is
// the difference of two quiet readings, trials in which nothing is done run
// among the others, and a trial that violates an invariant is kept in the file
// and excluded from the statistics.
//
// The experiments are in packages of their own (memory, reaping, spawning, ...)
// and know each other only where one measures what another arranges. This
// package is not for reading the kernel's files (package measure), nor for
// statistics or tables (below results).
package bench
