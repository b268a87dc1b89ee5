package measure

import (
	"errors"
	"strings"
	"testing"

	"zombench/measure/measuretest"
)

func TestMeminfoOfKernels(t *testing.T) {
	const kB = 1024
	for _, tt := range []struct {
		kernel                                              string
		slab, unreclaim, stack, pageTables, percpu, vmalloc uint64
	}{
		{"amd64-5.10", 13460 * kB, 6728 * kB, 640 * kB, 84 * kB, 280 * kB, 5108 * kB},
		{"amd64-6.1", 17556 * kB, 8840 * kB, 752 * kB, 84 * kB, 260 * kB, 7372 * kB},
		{"amd64-7.3", 12008 * kB, 11352 * kB, 864 * kB, 384 * kB, 264 * kB, 7244 * kB},
		{"arm64-7.3-16k", 13360 * kB, 12608 * kB, 832 * kB, 304 * kB, 208 * kB, 3328 * kB},
		{"armhf-5.10", 8452 * kB, 3912 * kB, 1928 * kB, 44 * kB, 112 * kB, 104 * kB},
		{"mips64el-6.1", 13152 * kB, 5860 * kB, 720 * kB, 76 * kB, 124 * kB, 500 * kB},
		{"ppc64el-7.2-64k", 22144 * kB, 21120 * kB, 1632 * kB, 384 * kB, 448 * kB, 3328 * kB},
		{"riscv64-6.12", 7092 * kB, 6564 * kB, 736 * kB, 100 * kB, 140 * kB, 1072 * kB},
	} {
		m, err := after(tt.kernel).Meminfo()
		if err != nil {
			t.Errorf("%s: %v", tt.kernel, err)
			continue
		}
		if m.Slab != tt.slab || m.SUnreclaim != tt.unreclaim || m.KernelStack != tt.stack || m.PageTables != tt.pageTables ||
			m.Percpu == nil || *m.Percpu != tt.percpu || m.VmallocUsed == nil || *m.VmallocUsed != tt.vmalloc || m.SReclaimable != tt.slab-tt.unreclaim {
			t.Errorf("%s: %+v", tt.kernel, m)
		}
		if m.MemAvailable == 0 || m.MemAvailable > m.MemTotal || m.MemFree > m.MemTotal {
			t.Errorf("%s: %+v", tt.kernel, m)
		}
	}
}

func TestMeminfoErrors(t *testing.T) {
	whole := string(testdata(t, "amd64-7.3", "after", "proc", "meminfo"))
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"whole", whole, nil},
		{"no Percpu", strings.Replace(whole, "Percpu:", "Percpoo:", 1), nil},
		{"no VmallocUsed", strings.Replace(whole, "VmallocUsed:", "VmallocUse:", 1), nil},
		{"no Slab", strings.Replace(whole, "Slab:", "Slap:", 1), ErrNotSupported},
		{"a word for a number", strings.Replace(whole, "Slab:", "Slab: x", 1), ErrMalformed},
		{"empty", "", ErrNotSupported},
	} {
		dir := t.TempDir()
		measuretest.Put(t, dir, map[string]string{"meminfo": tt.text})
		if _, err := (FS{Proc: dir}).Meminfo(); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := (FS{Proc: t.TempDir()}).Meminfo(); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without the file: error %v", err)
	}
}

func TestMeminfoOfThisKernel(t *testing.T) {
	m, err := Host().Meminfo()
	if err != nil {
		t.Fatal(err)
	}
	if m.Slab != m.SReclaimable+m.SUnreclaim || m.Slab == 0 {
		t.Errorf("Slab is not the sum of its parts: %+v", m)
	}
}
