package shares

import (
	"math"
	"testing"
)

func TestSplit(t *testing.T) {
	// A zombie of Linux 6.18 by exec, looked at by ps and top, beside forks.
	watched := []Growth{
		{"task_struct", nil, 1.002, false}, {"sighand_cache", nil, 1.001, false}, {"cred", nil, 2.01, false},
		{"proc_inode_cache", nil, 6.1, true}, {"dentry", nil, 6.2, true},
		{"kmalloc-32", []string{"kmalloc-32", "lsm_inode_cache"}, 6.15, false},
		{"filp", nil, 0.03, false}, {"vm_area_struct", nil, -0.4, false},
	}
	pidfd := []Growth{{"filp", nil, 1.01, false}, {"dentry", nil, 5.2, true}, {"inode_cache", nil, 0.99, true}, {"lsm_inode_cache", nil, 5, false}}
	for _, tt := range []struct {
		name   string
		growth []Growth
		traced map[string]float64
		cache  string
		want   Share
	}{
		{"own objects are whole", watched, nil, "task_struct", Share{1, 0, 0.002}},
		{"two of a kind", watched, nil, "cred", Share{2, 0, 0.01}},
		{"what a look made", watched, nil, "proc_inode_cache", Share{0, 6.1, 0}},
		{"a look's blobs, by an alias", watched, nil, "kmalloc-32", Share{0, 6.15, 0}},
		{"others shrank", watched, nil, "vm_area_struct", Share{0, 0, -0.4}},
		{"an open file keeps a dentry", pidfd, nil, "dentry", Share{1, 4.2, 0}},
		{"and an inode", pidfd, nil, "inode_cache", Share{1, 0, -0.01}},
		{"a trace decides", watched, map[string]float64{"dentry": 2, "task_struct": 1}, "dentry", Share{2, 4.2, 0}},
		{"what it has not seen is not own", watched, map[string]float64{"task_struct": 1}, "cred", Share{0, 0, 2.01}},
	} {
		got := Split(tt.growth, tt.traced)[tt.cache]
		for _, d := range []float64{got.Own - tt.want.Own, got.Watchers - tt.want.Watchers, got.Others - tt.want.Others} {
			if math.Abs(d) > 1e-9 {
				t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
				break
			}
		}
	}
}

// Whatever is split adds up.
func TestSharesAddUp(t *testing.T) {
	for _, per := range []float64{-3, -0.2, 0, 0.4, 0.6, 1, 7.3} {
		for _, reclaimable := range []bool{false, true} {
			for _, traced := range []map[string]float64{nil, {"x": 1}, {"x": 5}, {}} {
				s := Split([]Growth{{"x", nil, per, reclaimable}, {"filp", nil, 2, false}}, traced)["x"]
				if sum := s.Own + s.Watchers + s.Others; math.Abs(sum-per) > 1e-9 || s.Own < 0 {
					t.Errorf("%v, reclaimable %v, traced %v: %+v", per, reclaimable, traced, s)
				}
			}
		}
	}
}
