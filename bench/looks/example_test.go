package looks_test

import (
	"fmt"

	"zombench/bench/looks"
	"zombench/measure"
)

// Who looked while something was done? Where the tracepoints cannot be had, the
// error says why and nobody is named.
func ExampleStart() {
	tracker, err := looks.Start(measure.FS{Proc: "/nowhere", Sys: "/nowhere"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tracker.Close()
	watchers, err := tracker.Watchers(32) // who made at least 32 inodes below /proc
	fmt.Println(watchers, err)
	// Output: functions of the kernel: not supported by this kernel: open /nowhere/kallsyms: no such file or directory (CONFIG_KALLSYMS)
}
