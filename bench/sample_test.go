package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
	"zombench/results"
)

// slabs makes a slabinfo of caches with so many objects, one a slab.
func slabs(objects map[string]uint64) *measure.Slabinfo {
	var s measure.Slabinfo
	for _, name := range []string{"pid", "cred", "dentry", "young"} {
		if n, ok := objects[name]; ok {
			s.Caches = append(s.Caches, measure.SlabLine{Name: name, ActiveObjs: n, NumSlabs: n})
		}
	}
	return &s
}

// kept returns, by moment, the caches that the readings of some samples keep.
func kept(zombies int, samples ...moment) map[string]string {
	all := make(map[string]string)
	for _, r := range readings(samples, zombies) {
		text := ""
		for _, c := range r.Caches {
			text += fmt.Sprintf("%s=%d/%d ", c.Name, c.Objects, c.Slabs)
		}
		all[r.When] = text
	}
	return all
}

func TestReadingsKeepTheCachesThatMoved(t *testing.T) {
	at := func(when string, objects map[string]uint64) moment {
		return moment{when, Sample{Slab: slabs(objects)}}
	}
	for _, tt := range []struct {
		name    string
		zombies int
		samples []moment
		want    map[string]string
	}{
		{"a small army: from four objects on", 10, []moment{
			at("before", map[string]uint64{"pid": 100, "cred": 100, "dentry": 100}),
			at("after", map[string]uint64{"pid": 104, "cred": 103, "dentry": 96}),
		}, map[string]string{"before": "pid=100/100 dentry=100/100 ", "after": "pid=104/104 dentry=96/96 "}},
		{"a big one: from a hundredth on", 1000, []moment{
			at("before", map[string]uint64{"pid": 100, "cred": 100, "dentry": 100}),
			at("after", map[string]uint64{"pid": 110, "cred": 109, "dentry": 90}),
		}, map[string]string{"before": "pid=100/100 dentry=100/100 ", "after": "pid=110/110 dentry=90/90 "}},
		{"what moved between any two moments is in all", 10, []moment{
			at("before", map[string]uint64{"pid": 100, "cred": 100}),
			at("after", map[string]uint64{"pid": 100, "cred": 100}),
			at("reaped", map[string]uint64{"pid": 90, "cred": 100}),
		}, map[string]string{"before": "pid=100/100 ", "after": "pid=100/100 ", "reaped": "pid=90/90 "}},
		{"a cache that is new", 10, []moment{
			at("before", map[string]uint64{"pid": 100}),
			at("after", map[string]uint64{"pid": 100, "young": 50}),
		}, map[string]string{"before": "", "after": "young=50/50 "}},
		{"one sample tells of no movement", 10, []moment{at("before", map[string]uint64{"pid": 100})}, map[string]string{"before": ""}},
		{"without slabinfo in between", 10, []moment{
			at("before", map[string]uint64{"pid": 100}),
			{"after", Sample{}},
			at("reaped", map[string]uint64{"pid": 200}),
		}, map[string]string{"before": "", "after": "", "reaped": ""}},
		{"only later samples read it", 10, []moment{
			{"start", Sample{}},
			at("before", map[string]uint64{"pid": 100}),
			at("after", map[string]uint64{"pid": 200}),
		}, map[string]string{"start": "", "before": "pid=100/100 ", "after": "pid=200/200 "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, kept(tt.zombies, tt.samples...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The counters stand in the readings as they were read, and those that were not
// are not there.
func TestReadingsKeepAllCounters(t *testing.T) {
	pids, kmem, percpu, vmalloc, above, dying := uint64(17), uint64(540672), uint64(7), uint64(8), uint64(9), uint64(10)
	s := Sample{
		Pids: &pids, Kmem: &kmem, Above: &above, Dying: &dying,
		Mem: &measure.Meminfo{Slab: 1, SReclaimable: 2, SUnreclaim: 3, KernelStack: 4, PageTables: 5, MemFree: 6, Percpu: &percpu, VmallocUsed: &vmalloc},
	}
	want := []results.Reading{{When: "before", Counters: []results.Counter{
		{Name: "pids", Value: 17}, {Name: "kmem-B", Value: 540672}, {Name: "slab-B", Value: 1}, {Name: "sreclaimable-B", Value: 2},
		{Name: "sunreclaim-B", Value: 3}, {Name: "kernelstack-B", Value: 4}, {Name: "pagetables-B", Value: 5}, {Name: "memfree-B", Value: 6},
		{Name: "percpu-B", Value: 7}, {Name: "vmalloc-B", Value: 8}, {Name: "above-kmem-B", Value: 9}, {Name: "dying-cgroups", Value: 10},
	}}}
	if diff := cmp.Diff(want, readings([]moment{{"before", s}}, 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want[0].Counters = want[0].Counters[:1]
	if diff := cmp.Diff(want, readings([]moment{{"before", Sample{Pids: &pids}}}, 1)); diff != "" {
		t.Errorf("pids alone (-want +got):\n%s", diff)
	}
}

// Every cache that readings mention is described once in a lab's life, by what
// the kernel says of it.
func TestDescribeOnce(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"proc/slabinfo": "slabinfo - version: 2.1\n" +
			"pid 60 63 192 21 1 : tunables 0 0 0 : slabdata 3 3 0\n" +
			"dentry 40 42 192 21 1 : tunables 0 0 0 : slabdata 2 2 0\n" +
			"kmalloc-64 64 64 64 64 2 : tunables 0 0 0 : slabdata 1 1 0\n",
		"sys/kernel/slab/:A-0000192/object_size":     "176\n",
		"sys/kernel/slab/:A-0000192/slab_size":       "192\n",
		"sys/kernel/slab/:A-0000192/align":           "64\n",
		"sys/kernel/slab/:A-0000192/objs_per_slab":   "21\n",
		"sys/kernel/slab/:A-0000192/order":           "0\n",
		"sys/kernel/slab/:A-0000192/reclaim_account": "0\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, alias := range []string{"pid", "cred"} {
		if err := os.Symlink(":A-0000192", filepath.Join(dir, "sys/kernel/slab", alias)); err != nil {
			t.Fatal(err)
		}
	}
	l := lab()
	l.FS = measure.FS{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys")}
	l.known = make(map[string]bool)
	l.Instruments.reclaimable = map[string]bool{"dentry": true}
	l.Instruments.uncharged = map[string]bool{"kmalloc-64": true}

	mention := func(names ...string) []results.Reading {
		r := []results.Reading{{When: "before"}, {When: "after"}}
		for _, name := range names { // not of a cache that is new before it was there
			r[1].Caches = append(r[1].Caches, results.CacheReading{Name: name})
		}
		return r
	}
	pid := results.Cache{Name: "pid", Size: 192, Used: 176, PerSlab: 21, SlabBytes: 4096, Charged: results.Unknown, Aliases: []string{"cred", "pid"}}
	dentry := results.Cache{Name: "dentry", Size: 192, PerSlab: 21, SlabBytes: 4096, Reclaimable: true, Charged: results.Unknown}
	general := results.Cache{Name: "kmalloc-64", Size: 64, PerSlab: 64, SlabBytes: 8192, Charged: results.No}
	for _, tt := range []struct {
		mentioned []string
		want      []results.Cache
	}{
		{nil, nil},
		{[]string{"pid", "dentry"}, []results.Cache{pid, dentry}},
		{[]string{"pid", "kmalloc-64"}, []results.Cache{general}},
		{[]string{"pid", "dentry", "gone with its module"}, nil},
	} {
		if diff := cmp.Diff(tt.want, l.describe(mention(tt.mentioned...))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.mentioned, diff)
		}
	}
}
