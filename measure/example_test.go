package measure_test

import (
	"errors"
	"fmt"

	"zombench/measure"
)

// The kernel's files lie below an FS: those of the running system ([measure.Host]),
// or a directory that stands in for another one. Here it is of Linux 6.1, with 200
// zombies in the cgroup army.
func Example() {
	const dir = "testdata/amd64-6.1/after/"
	fs := measure.FS{Proc: dir + "proc"}
	mem, err := fs.Meminfo()
	if err != nil {
		fmt.Println(err)
		return
	}
	slab, err := fs.Slabinfo()
	if err != nil {
		fmt.Println(err)
		return
	}
	tasks, _ := slab.Lookup("task_struct")
	pids, err := measure.Pids{Dir: dir + "army"}.Current()
	fmt.Println(mem.SUnreclaim, tasks.ActiveObjs, tasks.ObjSize, pids, err)
	// Output: 9052160 249 8448 203 <nil>
}

// What a kernel lacks is not zero: it is an error that callers can tell apart.
// pids.peak came with Linux 6.1.
func ExamplePids_Peak() {
	for _, kernel := range []string{"amd64-5.10", "amd64-6.1"} {
		peak, err := measure.Pids{Dir: "testdata/" + kernel + "/after/army"}.Peak()
		fmt.Println(peak, errors.Is(err, measure.ErrNotSupported))
	}
	// Output:
	// 0 true
	// 203 false
}
