package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"zombench/measure"
	"zombench/measure/measuretest"
)

// machine is measuretest.Machine as measure sees it.
func machine(tb testing.TB, tasks []measuretest.Task, change map[string]string) measure.FS {
	tb.Helper()
	measuretest.Machine(tb, tasks, change)
	return measure.FS{Proc: measuretest.Proc, Sys: measuretest.Sys, Root: measuretest.Root}
}

// resultFile writes a result file in which zombies of a kernel take so many bytes
// of slab pages and are charged for so many.
func resultFile(t *testing.T, path, kernel, goarch, spawn string, pages, charge int) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "kernel: %s\ngoos: linux\ngoarch: %s\n\n", kernel, goarch)
	for _, n := range []int{500, 1000, 2000} {
		for range 3 {
			fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=1/spawn=%s %d", n, spawn, n)
			if pages > 0 {
				fmt.Fprintf(&b, " %d sunreclaim-B/1000zombies %d slab-B/1000zombies", 1000*pages, 1000*pages)
			}
			if charge > 0 {
				fmt.Fprintf(&b, " %d kmem-B/1000zombies", 1000*charge)
			}
			fmt.Fprintln(&b, " 1 pids/zombie")
		}
	}
	measuretest.Put(t, filepath.Dir(path), map[string]string{filepath.Base(path): b.String()})
}
