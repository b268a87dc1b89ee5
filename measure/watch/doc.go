// Package watch follows zombies on a host: who leaves them, how fast, for how long,
// and when a limit is reached at that rate.
//
// In flow the births, deaths and reaps that package lifecycle counts, the zombies
// that packages taskscan and procs find, and the limits of package limits; out
// flows a [Report] for each interval. Where BPF is not available it compares scans
// of /proc, and the reports say what that cannot see.
//
// It is not for printing: cmd/zombench does that, and package exporter serves
// metrics.
package watch
