package shares

import (
	"math"
	"testing"
)

func TestSplit(t *testing.T) {
	grown := func(cache string, per float64) Growth { return Growth{Cache: cache, PerZombie: per, PerSlab: 21} }
	reclaimable := func(cache string, per float64) Growth {
		g := grown(cache, per)
		g.Reclaimable = true
		return g
	}
	// A zombie of Linux 6.18 by exec, looked at by ps and top, beside forks.
	watched := []Growth{
		grown("task_struct", 1.002), grown("sighand_cache", 1.001), grown("cred", 2.01),
		reclaimable("proc_inode_cache", 6.3), reclaimable("dentry", 6.4),
		{Cache: "kmalloc-32", Aliases: []string{"kmalloc-32", "lsm_inode_cache"}, PerZombie: 6.15, PerSlab: 128, Uncharged: true},
		grown("filp", 0.03), grown("vm_area_struct", -0.4),
		grown("kmalloc-192", 0.92), // 4 own objects, 6.3 and 6.3 of a look, 21 a slab
		grown("kmalloc-64", 1.02),
	}
	own, looked := 4.0/21, (6.3+6.3)/21
	pidfd := []Growth{grown("filp", 1.01), reclaimable("proc_inode_cache", 4), reclaimable("dentry", 5.2), reclaimable("inode_cache", 0.99), grown("lsm_inode_cache", 5)}
	for _, tt := range []struct {
		name   string
		growth []Growth
		traced map[string]float64
		cache  string
		want   Share
	}{
		{"own objects are whole", watched, nil, "task_struct", Share{1, 0, 0, 0.002}},
		{"two of a kind", watched, nil, "cred", Share{2, 0, 0, 0.01}},
		{"what a look made", watched, nil, "proc_inode_cache", Share{0, 0, 6.3, 0}},
		{"a look's blobs, by an alias", watched, nil, "kmalloc-32", Share{0, 0, 6.15, 0}},
		{"others shrank", watched, nil, "vm_area_struct", Share{0, 0, 0, -0.4}},
		{"an array is no object of a zombie", watched, nil, "kmalloc-192", Share{0, own, looked, 0.92 - own - looked}},
		{"what is one need be no array", watched, nil, "kmalloc-64", Share{1, 0, 0, 0.02}},
		{"a dentry of no inode is another's", watched, nil, "dentry", Share{0, 0, 6.3, 0.1}},
		{"an open file keeps a dentry", pidfd, nil, "dentry", Share{1, 0, 4, 0.2}},
		{"and an inode", pidfd, nil, "inode_cache", Share{1, 0, 0, -0.01}},
		{"a trace decides", watched, map[string]float64{"dentry": 2, "task_struct": 1}, "dentry", Share{2, 0, 4.4, 0}},
		{"but not of what it has not seen", watched, map[string]float64{"task_struct": 1}, "cred", Share{2, 0, 0, 0.01}},
		{"an object that only some have is no whole one", watched, map[string]float64{"vm_area_struct": 0.5}, "vm_area_struct", Share{0, 0, 0, -0.4}},
	} {
		got := Split(tt.growth, Evidence{Traced: tt.traced, Pointer: 8})[tt.cache]
		for _, d := range []float64{got.Own - tt.want.Own, got.Vectors - tt.want.Vectors, got.Watchers - tt.want.Watchers, got.Others - tt.want.Others} {
			if math.Abs(d) > 1e-9 {
				t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
				break
			}
		}
	}
}

// Whatever is split adds up.
func TestSharesAddUp(t *testing.T) {
	for _, cache := range []string{"x", "kmalloc-256"} {
		for _, per := range []float64{-3, -0.2, 0, 0.4, 0.6, 1, 7.3} {
			for _, reclaimable := range []bool{false, true} {
				for _, traced := range []map[string]float64{nil, {cache: 1}, {cache: 5}, {}} {
					filp := Growth{Cache: "filp", PerZombie: 2, PerSlab: 32}
					s := Split([]Growth{{Cache: cache, PerZombie: per, PerSlab: 16, Reclaimable: reclaimable}, filp}, Evidence{Traced: traced, Pointer: 8})[cache]
					if sum := s.Own + s.Vectors + s.Watchers + s.Others; math.Abs(sum-per) > 1e-9 || s.Own < 0 {
						t.Errorf("%s %v, reclaimable %v, traced %v: %+v", cache, per, reclaimable, traced, s)
					}
				}
			}
		}
	}
}

// Of what others added more than half an object a zombie, the charge decides whose
// it is.
func TestChargeDecides(t *testing.T) {
	grown := func(cache string, per float64, size uint64) Growth {
		return Growth{Cache: cache, PerZombie: per, PerSlab: 21, Size: size}
	}
	busy := []Growth{grown("task_struct", 0.97, 5888), grown("cred", 2.3, 192), grown("kmalloc-cg-96", 0.84, 96), grown("kmalloc-cg-16", 0.45, 16)}
	const charge = 5896 + 2*200 + 24
	for _, tt := range []struct {
		name   string
		charge float64
		traced map[string]float64
		want   []float64 // own objects, in the order of the caches
	}{
		{"without a charge", 0, nil, []float64{1, 2, 1, 0}},
		{"one object less, one more", charge, nil, []float64{1, 2, 0, 1}},
		{"by the page", charge + 4, nil, []float64{1, 2, 0, 1}},
		{"a charge of something else: a kernel stack", charge + 8192, nil, []float64{1, 2, 1, 0}},
		{"a trace knows better", charge, map[string]float64{"kmalloc-cg-96": 1}, []float64{1, 2, 1, 0}},
	} {
		whose := Split(busy, Evidence{Traced: tt.traced, Charge: tt.charge, Pointer: 8})
		for i, want := range tt.want {
			if got := whose[busy[i].Cache].Own; got != want {
				t.Errorf("%s: %v own objects of %s, want %v", tt.name, got, busy[i].Cache, want)
			}
		}
	}
}

func TestKmalloc(t *testing.T) {
	for name, want := range map[string]uint64{
		"kmalloc-8": 8, "kmalloc-192": 192, "kmalloc-2k": 2048, "kmalloc-rnd-07-64": 64,
		"kmalloc-cg-64": 0, "kmalloc-rcl-64": 0, "dma-kmalloc-8": 0, "task_struct": 0, "kmalloc-": 0,
	} {
		if size, ok := kmalloc(name); size != want || ok != (want > 0) {
			t.Errorf("%s: %d, %v; want %d", name, size, ok, want)
		}
	}
}
