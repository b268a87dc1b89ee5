package memory

import (
	"slices"
	"testing"

	"zombench/bench"
	"zombench/measure"
)

// packed is an army of 1000 with one object of 5 to 32 KiB each: 200 slabs, or
// 198 if the 10 free places of before are used up first.
func packed(t *testing.T) *trial {
	t.Helper()
	sample := func(objects, slabs, sunreclaim, kmem uint64) bench.Sample {
		return bench.Sample{
			Mem:  &measure.Meminfo{SUnreclaim: sunreclaim},
			Kmem: &kmem,
			Slab: &measure.Slabinfo{Caches: []measure.SlabLine{
				{Name: bench.TaskStruct, ActiveObjs: objects, NumObjs: slabs * 5, ObjSize: 5952, ObjsPerSlab: 5, PagesPerSlab: 8, NumSlabs: slabs},
				{Name: "dentry", ActiveObjs: 4000, NumObjs: 4200, ObjSize: 192, ObjsPerSlab: 21, PagesPerSlab: 1, NumSlabs: 200},
			}},
		}
	}
	const slab = 32 << 10
	return &trial{
		army:   army{count: 1000, parallel: 1, spawn: "exec"},
		lab:    smallLab(t),
		before: sample(40, 10, 1<<24, 1<<20),
		after:  sample(1040, 208, 1<<24+198*slab, 1<<20+1000*5960),
	}
}

func TestNoise(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*trial)
		want []string
	}{
		{"the army alone", func(*trial) {}, nil},
		{"free places were not used", func(t *trial) { t.after.Mem.SUnreclaim += 2 * 32 << 10 }, nil},
		{"vectors of memcg", func(t *trial) { t.after.Mem.SUnreclaim += 2*32<<10 + 200*64 }, nil},
		{"somebody took slabs", func(t *trial) { t.after.Mem.SUnreclaim += 200 << 10 }, otherSlab.by()},
		{"somebody gave slabs back", func(t *trial) { t.after.Mem.SUnreclaim -= 40 << 10 }, otherSlab.by()},
		{"a process began", func(t *trial) { t.after.Slab.Caches[0].ActiveObjs++ }, nil},
		{"many processes began", func(t *trial) { t.after.Slab.Caches[0].ActiveObjs += 6 }, otherTasks.by()},
		{"many processes ended", func(t *trial) { t.after.Slab.Caches[0].ActiveObjs -= 6 }, otherTasks.by()},
		{"one who forked is known", func(t *trial) {
			t.forked, t.looked = []string{"make (pid 7) forked"}, []string{"ps looked"}
			t.after.Slab.Caches[0].ActiveObjs += 6
		}, []string{"other processes began or ended while make (pid 7) forked: stop it, or take more --samples"}},
		{"two who may have taken slabs are known", func(t *trial) {
			t.forked, t.looked = []string{"make forked"}, []string{"ps looked"}
			t.after.Mem.SUnreclaim += 200 << 10
		}, otherSlab.by("make forked", "ps looked")},
		{"those who are known did nothing", func(t *trial) { t.forked = []string{"make forked"} }, nil},
		{"dentries do not count", func(t *trial) { t.after.Slab.Caches[1].ActiveObjs += 1000 }, nil},
		{"as many objects of something else, uncharged", func(t *trial) {
			t.before.Slab.Caches[1].Name, t.after.Slab.Caches[1].Name = "filp", "filp"
			t.after.Slab.Caches[1].ActiveObjs += 1000
			t.after.Mem.SUnreclaim += 48 * 4096
		}, otherSlab.by()},
		{"without slabinfo", func(t *trial) { t.after.Slab = nil }, nil},
		{"without meminfo", func(t *trial) { t.after.Mem = nil }, nil},
		{"a quiet control", func(t *trial) { t.count, t.after = 0, t.before }, nil},
		{"a control that moved", func(t *trial) {
			mem := *t.before.Mem
			t.count, t.after = 0, t.before
			t.after.Mem = &mem
			mem.SUnreclaim += 64 << 10
		}, otherSlab.by()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial := packed(t)
			tt.edit(trial)
			if got := trial.noise(); !slices.Equal(got, tt.want) {
				t.Errorf("warnings %q\nwant     %q", got, tt.want)
			}
		})
	}
}
