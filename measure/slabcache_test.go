package measure

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure/measuretest"
)

func TestUnchargedSlab(t *testing.T) {
	for _, tt := range []struct {
		kernel, cache string
		want          bool
	}{
		{"amd64-7.3", "kmalloc-96", true}, // beside kmalloc-cg-96
		{"amd64-7.3", "kmalloc-cg-96", false},
		{"amd64-7.3", "kmalloc-rcl-96", false}, // may be either
		{"amd64-7.3", "task_struct", false},    // stands alone: not told
		{"amd64-7.3", "cred", false},           // :A-0000192
		{"amd64-7.3", "vmap_area", true},       // :0000072
		{"amd64-5.10", "kmalloc-96", false},    // the only one of its size
		{"amd64-7.3", "no such cache", false},
	} {
		if got := (FS{Sys: sysSlab(t, tt.kernel)}).UnchargedSlab(tt.cache); got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.kernel, tt.cache, got, tt.want)
		}
	}
}

func TestSlabCacheOfKernels(t *testing.T) {
	for _, tt := range []struct {
		kernel, ask string
		listed, id  string
		size        uint64
		alias       string // one of its other names
	}{
		{"amd64-7.3", "pid", "pid", ":A-0000192", 192, "cred"},
		{"amd64-7.3", "cred", "pid", ":A-0000192", 192, "pid"}, // listed under the older name
		{"amd64-7.3", ":A-0000192", "pid", ":A-0000192", 192, "cred"},
		{"amd64-7.3", "signal_cache", "signal_cache", ":A-0001152", 1152, ""},
		{"amd64-7.3", "task_struct", "task_struct", "task_struct", 9024, ""},
		{"amd64-5.10", "pid", "pid", ":A-0000128", 128, ""},
		{"arm64-7.3-16k", "cred", "pid", ":A-0000192", 192, "pid"},
		{"ppc64el-7.2-64k", "pid", "pid", ":A-0000256", 256, ""},
	} {
		t.Run(tt.kernel+"/"+tt.ask, func(t *testing.T) {
			fs := after(tt.kernel)
			fs.Sys = sysSlab(t, tt.kernel)
			c, err := fs.SlabCache(tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != tt.listed || c.ID != tt.id || c.ObjectSize == 0 || c.ObjectSize > tt.size {
				t.Errorf("got %+v", c)
			}
			if !slices.Contains(c.Aliases, c.Name) || tt.alias != "" && !slices.Contains(c.Aliases, tt.alias) {
				t.Errorf("aliases %q", c.Aliases)
			}
			if slices.Contains(c.Aliases, c.ID) && c.ID != c.Name {
				t.Errorf("the directory %s passes for a name: %q", c.ID, c.Aliases)
			}
			info, _ := fs.Slabinfo()
			if l, ok := info.Lookup(c.Name); !ok || l.ObjSize != tt.size || l.ObjsPerSlab != c.ObjsPerSlab {
				t.Errorf("slabinfo has %+v, sysfs %+v", l, c)
			}
		})
	}
}

func TestSlabCacheErrors(t *testing.T) {
	const kernel = "amd64-7.3"
	fs := after(kernel)
	fs.Sys = sysSlab(t, kernel)
	without := FS{Proc: fs.Proc, Sys: t.TempDir()}
	unlisted := FS{Proc: t.TempDir(), Sys: fs.Sys}
	measuretest.Put(t, unlisted.Proc, map[string]string{"slabinfo": header})
	broken := FS{Proc: fs.Proc, Sys: t.TempDir()}
	measuretest.Put(t, broken.Sys, map[string]string{"kernel/slab/pid/object_size": "many\n"})
	for _, tt := range []struct {
		name string
		fs   FS
		ask  string
		want error
		says string
	}{
		{"unknown", fs, "zombie_cache", ErrNotSupported, "no slab cache named zombie_cache"},
		{"no SLUB in sysfs", without, "pid", ErrNotSupported, "CONFIG_SLUB"},
		{"not in slabinfo", unlisted, "pid", ErrNotSupported, "lists none of its names"},
		{"out of the directory", fs, "../../kernel", ErrMalformed, "not a name"},
		{"dots", fs, "..", ErrMalformed, "not a name"},
		{"empty", fs, "", ErrMalformed, "not a name"},
		{"no number", broken, "pid", ErrMalformed, "object_size"},
	} {
		_, err := tt.fs.SlabCache(tt.ask)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %v that says %q", tt.name, err, tt.want, tt.says)
		}
	}
}

func TestShrinkSlab(t *testing.T) {
	fs := FS{Sys: sysSlab(t, "amd64-7.3")}
	file := filepath.Join(fs.Sys, "kernel", "slab", ":A-0000192", "shrink")
	measuretest.Put(t, filepath.Dir(file), map[string]string{"shrink": ""})
	if err := fs.ShrinkSlab("cred"); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(file); string(data) != "1\n" {
		t.Errorf("wrote %q", data)
	}
	if err := fs.ShrinkSlab("task_struct"); !errors.Is(err, ErrNotSupported) { // no such file here
		t.Errorf("error %v, want ErrNotSupported", err)
	}
}

func TestSlabCacheOfThisKernel(t *testing.T) {
	measuretest.SkipUnlessRoot(t)
	for _, name := range []string{"task_struct", "signal_cache", "pid"} {
		c, err := Host().SlabCache(name)
		if errors.Is(err, ErrNotSupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := Host().Slabinfo()
		if err != nil {
			t.Fatal(err)
		}
		if l, ok := info.Lookup(c.Name); !ok || c.ObjectSize == 0 || c.ObjectSize > l.ObjSize || l.ObjsPerSlab != c.ObjsPerSlab {
			t.Errorf("%s: slabinfo has %+v, sysfs %+v", name, l, c)
		}
		if err := Host().ShrinkSlab(name); err != nil {
			t.Error(err)
		}
	}
}

func TestSlabAliases(t *testing.T) {
	fs := FS{Sys: t.TempDir()}
	measuretest.Put(t, fs.Sys, map[string]string{
		"kernel/slab/:A-0000192/order": "0\n", "kernel/slab/pid": "-> :A-0000192", "kernel/slab/cred": "-> ../slab/:A-0000192",
		"kernel/slab/task_struct/order": "3\n", "kernel/slab/:0000064/order": "0\n", "kernel/slab/stale": "-> :0000001",
	})
	for id, want := range map[string][]string{
		":A-0000192": {"cred", "pid"}, "task_struct": {"task_struct"}, ":0000064": {":0000064"}, ":0000001": {"stale"},
	} {
		got, err := fs.slabAliases(id)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", id, err, diff)
		}
		// Whichever of them slabinfo lists is found, and nothing else.
		last := want[len(want)-1]
		if listed, err := listedAs(Slabinfo{Caches: []SlabLine{{Name: id + "?"}, {Name: last}}}, want); err != nil || listed != last {
			t.Errorf("%s: listed as %q, %v", id, listed, err)
		}
	}
}

func TestReclaimableSlab(t *testing.T) {
	sys := t.TempDir()
	measuretest.Put(t, sys, map[string]string{
		"kernel/slab/dentry/reclaim_account":      "1\n",
		"kernel/slab/task_struct/reclaim_account": "0\n",
		"kernel/slab/odd/reclaim_account":         "yes\n",
		"kernel/slab/silent/order":                "0\n",
	})
	for name, want := range map[string]bool{"dentry": true, "task_struct": false, "silent": false} {
		if got, err := (FS{Sys: sys}).ReclaimableSlab(name); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := (FS{Sys: sys}).ReclaimableSlab("odd"); !errors.Is(err, ErrMalformed) {
		t.Errorf("nonsense: %v", err)
	}
}
