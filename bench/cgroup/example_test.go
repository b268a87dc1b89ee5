package cgroup_test

import (
	"fmt"
	"os"
	"path/filepath"

	"zombench/bench/cgroup"
)

// A cgroup that nobody has locked any more is the remains of a run that is gone. Here a
// directory stands in for a hierarchy.
func ExampleLeftovers() {
	hierarchy, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(hierarchy)
	_ = os.Mkdir(filepath.Join(hierarchy, "zombench-4711-trial1"), 0o777)
	_ = os.Mkdir(filepath.Join(hierarchy, "system.slice"), 0o777)
	dirs, err := cgroup.Leftovers([]string{hierarchy})
	fmt.Println(len(dirs), filepath.Base(dirs[0]), err)
	// Output: 1 zombench-4711-trial1 <nil>
}
