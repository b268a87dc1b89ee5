package difference

import (
	"testing"

	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/shares"
)

// retained is a cache of which a zombie has one object.
func retained(name, structure string, size uint64) ledger.Cache {
	c := ledger.Cache{Cache: results.Cache{Name: name, Size: size, Used: size}, Share: shares.Share{Own: 1}, Role: ledger.Retained}
	if structure != "" {
		c.Use = []ledger.Use{{Cache: name, Struct: structure, Size: size}}
	}
	return c
}

// An object that one side alone has is explained by its members; one in a general cache
// is not, for nobody knows what it is, nor is one that is on both sides.
func TestWhole(t *testing.T) {
	old := &ledger.Ledger{Caches: []ledger.Cache{retained("task_struct", "task_struct", 8000), retained("task_delay_info", "", 80), retained("kmalloc-64", "", 64)}}
	new := &ledger.Ledger{Caches: []ledger.Cache{retained("task_struct", "task_struct", 8064)}}
	d := Of(old, new)
	whole := d.Whole()
	if len(whole) != 1 || whole[0] != (Change{"task_delay_info", 80, 0}) {
		t.Errorf("%+v", whole)
	}
	if explained, _ := d.ByField(); explained != -80 {
		t.Errorf("%v B are explained, want -80 B: no struct is described", explained)
	}
}
