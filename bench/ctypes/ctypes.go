// Package ctypes says of the running kernel's C types, which it tells by its BTF,
// what an analysis of a result file has to know: how large the structs are that a
// zombie keeps, and what they are made of. What a kernel does not tell is left out.
package ctypes

import (
	"math/bits"
	"slices"

	"zombench/measure"
	"zombench/measure/btf"
	"zombench/results"
)

// Kernel describes the running kernel. It takes a moment: not for a measurement's
// time.
func Kernel(fs measure.FS) (k results.Kernel) {
	k.PointerBytes = bits.UintSize / 8
	types, err := btf.Load(fs)
	if err != nil {
		return k
	}
	defer types.Close()
	for _, name := range results.StructsOfZombies() {
		l := results.Layout{Struct: name}
		for _, m := range types.Layout(name) {
			l.Members = append(l.Members, results.Member{Name: m.Name, Bits: uint64(m.Bits)})
		}
		if len(l.Members) > 0 {
			k.Layouts = append(k.Layouts, l)
		}
	}
	for _, name := range slices.Sorted(slices.Values(append(results.StructsNearby(), results.StructsOfZombies()...))) {
		if size := types.StructSize(name); size > 0 {
			k.Structs = append(k.Structs, results.Counter{Name: name, Value: uint64(size)})
		}
	}
	if types.StructSize("task_struct") > 0 {
		k.ThreadInfoInTask = results.No
		if types.Has("task_struct.thread_info") {
			k.ThreadInfoInTask = results.Yes
		}
	}
	return k
}
