package shares_test

import (
	"fmt"

	"zombench/results/shares"
)

// Beside 1000 zombies, 12 pids were somebody else's; a monitor that walked over
// /proc left a dentry and an inode for each of 3 files.
func ExampleSplit() {
	split := shares.Split([]shares.Growth{
		{Cache: "task_struct", PerZombie: 1},
		{Cache: "pid", Aliases: []string{"cred", "pid"}, PerZombie: 2.012},
		{Cache: "proc_inode_cache", PerZombie: 3, Reclaimable: true},
		{Cache: "dentry", PerZombie: 3.1, Reclaimable: true},
	}, shares.Evidence{Pointer: 8})
	for _, cache := range []string{"task_struct", "pid", "dentry"} {
		fmt.Printf("%-11s %+.3f\n", cache, split[cache]) // own, vectors, watchers', others'
	}
	// Output:
	// task_struct {+1.000 +0.000 +0.000 +0.000}
	// pid         {+2.000 +0.000 +0.000 +0.012}
	// dentry      {+0.000 +0.000 +3.000 +0.100}
}
