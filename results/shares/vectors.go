package shares

import (
	"fmt"
	"slices"
	"strings"
)

// Vectors are the arrays of pointers to obj_cgroups that memcg keeps for slabs of
// charged objects (mm/slub.c, alloc_slab_obj_exts; Linux 5.9): how many, by the
// bytes that each needs.
type vectors map[uint64]float64

// in returns how many lie in the general cache of that size.
func (v vectors) in(size uint64) (n float64) {
	for need, each := range v {
		if need <= size && !slices.ContainsFunc(kmallocSizes, func(s uint64) bool { return s < size && need <= s }) {
			n += each
		}
	}
	return n
}

// kmallocSizes are the sizes of the general caches (include/linux/slab.h,
// __kmalloc_index).
var kmallocSizes = []uint64{8, 16, 32, 64, 96, 128, 192, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10}

// kmalloc reports whether a cache is a general one for memory that is not
// charged, and the size of its objects. Its name may have a random number
// (CONFIG_RANDOM_KMALLOC_CACHES).
func kmalloc(name string) (size uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, "kmalloc-")
	if !ok || strings.HasPrefix(rest, "cg-") || strings.HasPrefix(rest, "rcl-") || strings.HasPrefix(rest, "dma-") {
		return 0, false
	}
	rest = rest[strings.LastIndexByte(rest, '-')+1:]
	unit := uint64(1)
	if short, cut := strings.CutSuffix(rest, "k"); cut {
		rest, unit = short, 1<<10
	}
	if _, err := fmt.Sscanf(rest, "%d", &size); err != nil {
		return 0, false
	}
	return size * unit, true
}
