package ctypes_test

import (
	"fmt"

	"zombench/bench/ctypes"
	"zombench/measure"
)

// Of a kernel without BTF there is little to say: no struct has a size that was made up.
func ExampleKernel() {
	k := ctypes.Kernel(measure.FS{Sys: "/nowhere"})
	fmt.Println(len(k.Structs), k.ThreadInfoInTask != "yes")
	// Output: 0 true
}
