package measure

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func slabs(lines ...SlabLine) Slabinfo { return Slabinfo{Caches: lines} }

func objs(name string, active, size uint64) SlabLine {
	return SlabLine{Name: name, ActiveObjs: active, ObjSize: size}
}

func TestSlabGains(t *testing.T) {
	before := slabs(objs("task_struct", 100, 5888), objs("same", 7, 64), objs("less", 9, 32), objs("twin", 1, 8), objs("twin", 1, 8), objs("unloaded", 5, 8))
	after := slabs(objs("new", 3, 16), objs("task_struct", 1100, 5888), objs("same", 7, 64), objs("less", 4, 32), objs("twin", 2, 8), objs("twin", 3, 8))
	want := []SlabGain{{"new", 3, 16}, {"task_struct", 1000, 5888}, {"less", -5, 32}, {"twin", 3, 8}}
	if diff := cmp.Diff(want, SlabGains(before, after)); diff != "" {
		t.Error(diff)
	}
	if got := SlabGains(before, before); got != nil {
		t.Errorf("gains without a change: %v", got)
	}
}

func TestGainedByEach(t *testing.T) {
	for _, tt := range []struct {
		objects float64
		n       uint64
		want    bool
	}{{500, 1000, true}, {499.9, 1000, false}, {0, 1000, false}, {-5000, 1000, false}, {1, 1, true}, {5, 0, false}} {
		if got := GainedByEach(tt.objects, tt.n); got != tt.want {
			t.Errorf("%v objects of %d: %v, want %v", tt.objects, tt.n, got, tt.want)
		}
	}
}

func TestPredictCharge(t *testing.T) {
	// Six objects of 9552 bytes for each of 1000, pid and cred in one cache.
	before := slabs(objs("task_struct", 100, 5888), objs("sighand_cache", 100, 2112), objs("signal_cache", 100, 1152),
		objs("pid", 300, 192), objs("kmalloc-cg-16", 50, 16), objs("dentry", 4000, 192), objs("half", 0, 100), objs("lost", 900, 64))
	after := slabs(objs("task_struct", 1100, 5888), objs("sighand_cache", 1100, 2112), objs("signal_cache", 1100, 1152),
		objs("pid", 2300, 192), objs("kmalloc-cg-16", 1050, 16), objs("dentry", 4499, 192), objs("half", 0, 100), objs("lost", 0, 64))
	if got := PredictCharge(before, after, 1000, nil); got != 9600 {
		t.Errorf("predicted %v, want 9600", got)
	}
	after.Caches[6].ActiveObjs = 500 // half an object each counts
	if got := PredictCharge(before, after, 1000, nil); got != 9600+54 {
		t.Errorf("predicted %v, want 9654", got)
	}
	if got := PredictCharge(before, after, 1000, map[string]bool{"half": true, "pid_2": true}); got != 9600 {
		t.Errorf("predicted %v without what is not charged, want 9600", got)
	}
	if got := PredictCharge(before, after, 0, nil); got != 0 {
		t.Errorf("predicted %v for none, want 0", got)
	}
	if got := PredictCharge(after, before, 1000, nil); got != 0.9*(64+8) {
		t.Errorf("predicted %v backwards, want only what then grew", got)
	}
}

// On kernels whose zombies keep nothing but slab objects, the charge that was
// read is near the one that is predicted. Nothing was shrunk when these were taken, so
// free objects on the cpu's slabs blur it.
func TestPredictChargeOfKernels(t *testing.T) {
	for _, kernel := range []string{"amd64-5.10", "amd64-7.3"} {
		before, err := FS{Proc: filepath.Join("testdata", kernel, "before", "proc")}.Slabinfo()
		if err != nil {
			t.Fatal(err)
		}
		now, err := after(kernel).Slabinfo()
		if err != nil {
			t.Fatal(err)
		}
		k0, err := Memcg{Dir: army(kernel, "before"), Version: 2}.KernelMemory()
		if err != nil {
			t.Fatal(err)
		}
		k1, err := Memcg{Dir: army(kernel, "after"), Version: 2}.KernelMemory()
		if err != nil {
			t.Fatal(err)
		}
		uncharged := make(map[string]bool)
		fs := FS{Sys: sysSlab(t, kernel)}
		for _, c := range now.Caches {
			uncharged[c.Name] = fs.UnchargedSlab(c.Name)
		}
		predicted, read := PredictCharge(before, now, 200, uncharged), float64(k1.Bytes-k0.Bytes)/200
		if math.Abs(predicted-read) > 0.08*read {
			t.Errorf("%s: predicted %.0f bytes, charged %.0f", kernel, predicted, read)
		}
	}
}
