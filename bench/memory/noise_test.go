package memory

import (
	"slices"
	"testing"

	"zombench/measure"
	"zombench/results"
)

// An army of 1000 with one object of 5 to 32 KiB each: 200 slabs, or 198 if
// the 10 free places of before are used up first.
func packed() *Trial {
	sample := func(objects, slabs, sunreclaim, kmem uint64) Sample {
		return Sample{
			Mem:  &measure.Meminfo{SUnreclaim: sunreclaim},
			Kmem: &kmem,
			Slab: &measure.Slabinfo{Caches: []measure.SlabLine{
				{Name: taskStruct, ActiveObjs: objects, NumObjs: slabs * 5, ObjSize: 5952, ObjsPerSlab: 5, PagesPerSlab: 8, NumSlabs: slabs},
				{Name: "dentry", ActiveObjs: 4000, NumObjs: 4200, ObjSize: 192, ObjsPerSlab: 21, PagesPerSlab: 1, NumSlabs: 200},
			}},
		}
	}
	const slab = 32 << 10
	return &Trial{
		Setup:  Setup{Bench: results.Zombies, Count: 1000, Parallel: 1, Spawn: "exec"},
		Before: sample(40, 10, 1<<24, 1<<20),
		After:  sample(1040, 208, 1<<24+198*slab, 1<<20+1000*5960),
	}
}

func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Trial)
		want []string
	}{
		{"the army alone", func(*Trial) {}, nil},
		{"free places were not used", func(t *Trial) { t.After.Mem.SUnreclaim += 2 * 32 << 10 }, nil},
		{"vectors of memcg", func(t *Trial) { t.After.Mem.SUnreclaim += 2*32<<10 + 200*64 }, nil},
		{"somebody took slabs", func(t *Trial) { t.After.Mem.SUnreclaim += 200 << 10 }, []string{foreignSlab}},
		{"somebody gave slabs back", func(t *Trial) { t.After.Mem.SUnreclaim -= 40 << 10 }, []string{foreignSlab}},
		{"a process began", func(t *Trial) { t.After.Slab.Caches[0].ActiveObjs++ }, nil},
		{"many processes began", func(t *Trial) { t.After.Slab.Caches[0].ActiveObjs += 6 }, []string{foreignTasks}},
		{"many processes ended", func(t *Trial) { t.After.Slab.Caches[0].ActiveObjs -= 6 }, []string{foreignTasks}},
		{"dentries do not count", func(t *Trial) { t.After.Slab.Caches[1].ActiveObjs += 1000 }, nil},
		{"as many objects of something else, uncharged", func(t *Trial) {
			t.Before.Slab.Caches[1].Name, t.After.Slab.Caches[1].Name = "filp", "filp"
			t.After.Slab.Caches[1].ActiveObjs += 1000
			t.After.Mem.SUnreclaim += 48 * 4096
		}, []string{foreignSlab}},
		{"without slabinfo", func(t *Trial) { t.After.Slab = nil }, nil},
		{"without meminfo", func(t *Trial) { t.After.Mem = nil }, nil},
		{"a quiet control", func(t *Trial) { t.Count, t.After = 0, t.Before }, nil},
		{"a control that moved", func(t *Trial) {
			mem := *t.Before.Mem
			t.Count, t.After = 0, t.Before
			t.After.Mem = &mem
			mem.SUnreclaim += 64 << 10
		}, []string{foreignSlab}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial := packed()
			tt.edit(trial)
			l := lab()
			l.Instruments.reclaimable = map[string]bool{"dentry": true}
			if got := l.foreign(trial); !slices.Equal(got, tt.want) {
				t.Errorf("doubts %q\nwant   %q", got, tt.want)
			}
		})
	}
}
