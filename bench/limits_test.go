package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
	"zombench/measure/limits"
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
			if err == nil || !strings.HasSuffix(err.Error(), "ask for at most 800 zombies") {
				t.Errorf("%d zombies: error %v, want one that says at most 800", tt.count, err)
			}
		}
	}
}

func TestBytesEachTakesTheWorst(t *testing.T) {
	const count = 100
	sample := func(kmem, slab uint64) Sample { return Sample{Kmem: &kmem, Mem: &measure.Meminfo{Slab: slab}} }
	before := sample(1_000_000, 5_000_000)
	for _, tt := range []struct {
		name  string
		after Sample
		want  uint64
	}{
		{"the pages", sample(1_000_000+count*9_600, 5_000_000+count*11_000), 11_000},
		{"the charge and a tenth", sample(1_000_000+count*20_000, 5_000_000+count*11_000), 22_000},
		{"no charge is read", Sample{Mem: &measure.Meminfo{Slab: 5_000_000 + count*11_000}}, 11_000},
		{"an army that freed memory takes the least there can be", Sample{Mem: &measure.Meminfo{Slab: 4_000_000}}, 1},
	} {
		if got := bytesEach(before, tt.after, count); got != tt.want {
			t.Errorf("%s: %d B each, want %d", tt.name, got, tt.want)
		}
	}
}

func TestFitsSaysWhatFits(t *testing.T) {
	err := fits(1_000_000, 10_000, &measure.Meminfo{MemAvailable: 1 << 30})
	const want = "an army of 1000000 would take 9536 MiB (10000 bytes a zombie, measured by a small army) and may take 80 % of the 1024 MiB that are available; ask for at most 85899 zombies"
	if err == nil || err.Error() != want {
		t.Errorf("error %q\nwant  %q", err, want)
	}
}

// What is asked of the limits is the army's, and room for what runs beside it.
func TestArmyAsksTheLimits(t *testing.T) {
	got := Army{Zombies: 1000, Tasks: 50, Descriptors: 2000}.query()
	want := limits.Query{Count: 1000, BytesPerZombie: assumedBytes, ExtraTasks: 50 + SpareTasks, Descriptors: 2000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
