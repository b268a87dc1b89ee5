package bench

import (
	"errors"
	"testing"

	"zombench/measure"
)

func TestFits(t *testing.T) {
	mem := &measure.Meminfo{MemAvailable: 10_000_000}
	for _, tt := range []struct {
		count int
		ok    bool
	}{
		{1, true},
		{800, true}, // 80 % of what is available, at 10 000 bytes each
		{801, false},
		{1_000_000, false},
	} {
		err := fits(tt.count, 10_000, mem)
		if tt.ok != (err == nil) {
			t.Errorf("%d zombies: %v", tt.count, err)
		}
		if !tt.ok {
			if e, ok := errors.AsType[*MemoryError](err); !ok || e.most() != 800 {
				t.Errorf("%d zombies: error %v, want one that says at most 800", tt.count, err)
			}
		}
	}
}

func TestBytesEachTakesTheWorst(t *testing.T) {
	sample := func(kmem, slab uint64) Sample { return Sample{Kmem: &kmem, Mem: &measure.Meminfo{Slab: slab}} }
	before, after := sample(1_000_000, 5_000_000), sample(1_960_000, 6_100_000) // 100 zombies: 9600 B charged each, 11 000 B of pages
	if got := bytesEach(before, after, 100); got != 11_000 {
		t.Errorf("%d B each, want the pages' 11000", got)
	}
	if got := bytesEach(before, sample(3_000_000, 6_100_000), 100); got != 22_000 {
		t.Errorf("%d B each, want the charge's 20000 and a tenth", got)
	}
	after = Sample{Mem: &measure.Meminfo{Slab: 4_000_000}}
	if got := bytesEach(before, after, 100); got != 1 {
		t.Errorf("%d B each of an army that freed memory, want the least there can be", got)
	}
}
