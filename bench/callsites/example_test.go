package callsites_test

import (
	"fmt"

	"zombench/bench/callsites"
	"zombench/measure/kmemtrace"
)

// Task 7 forks task 8. Of the two objects that it allocates for it, one goes when 8
// ends; the other one goes when 8 is reaped, so the zombie kept it.
func ExampleMatch() {
	raised := []kmemtrace.Event{
		{Kind: kmemtrace.Alloc, Time: 1, Task: 7, Process: 7, Ptr: 0xa000, CallSite: 0x10, Requested: 184, Allocated: 192},
		{Kind: kmemtrace.Alloc, Time: 2, Task: 7, Process: 7, Ptr: 0xb000, CallSite: 0x20, Requested: 60, Allocated: 64},
		{Kind: kmemtrace.Fork, Time: 3, Task: 7, Process: 7, Child: 8},
		{Kind: kmemtrace.Free, Time: 4, Task: 8, Process: 8, Ptr: 0xb000},
	}
	reaped := []kmemtrace.Event{{Kind: kmemtrace.Free, Time: 5, Task: 7, Process: 7, Ptr: 0xa000}}
	zombies, sites, _ := callsites.Match([]int{7}, raised, reaped, callsites.Resolve{
		Function: func(uint64) string { return "prepare_creds" },
		Caches:   func(kmemtrace.Event) []string { return []string{"cred"} },
	})
	fmt.Println(zombies, sites[0].Function, sites[0].Caches, sites[0].Allocated, sites[0].Objects)
	// Output: 1 prepare_creds [cred] 192 1
}
