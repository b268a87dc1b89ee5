package procs_test

import (
	"fmt"

	"zombench/measure/procs"
)

// The path of its cgroup says what a parent of zombies belongs to.
func ExamplePlaceOf() {
	p := procs.PlaceOf("/kubepods.slice/kubepods-pod8a5d4b1e_3c2f_4d7a_9b60_0f1e2d3c4b5a.slice/cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope")
	fmt.Println(p.Pod, p.Container)
	fmt.Println(procs.PlaceOf("/system.slice/nginx.service").Unit)
	// Output:
	// 8a5d4b1e-3c2f-4d7a-9b60-0f1e2d3c4b5a 0123456789ab
	// nginx.service
}
