package measure

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/measure/measuretest"
)

func TestKernelMemoryOfKernels(t *testing.T) {
	const kernel, parts = "memory.stat kernel", "memory.stat slab+kernel_stack+percpu"
	for _, tt := range []struct {
		kernel, source string
		bytes          uint64
	}{
		{"amd64-5.10", parts, 2395408},
		{"amd64-6.1", kernel, 2445312},
		{"amd64-7.3", kernel, 2584576},
		{"arm64-7.3-16k", kernel, 1785856},
		{"armhf-5.10", parts, 790416 + 1638400}, // a zombie keeps its stack here
		{"mips64el-6.1", kernel, 5181440},       // here too, but kernel_stack no longer counts it
		{"ppc64el-7.2-64k", kernel, 2293760},
		{"riscv64-6.12", kernel, 1376256},
	} {
		k, err := Memcg{Dir: army(tt.kernel, "after"), Version: 2}.KernelMemory()
		if err != nil || k != (KernelMemory{tt.bytes, tt.source}) {
			t.Errorf("%s: %+v, %v; want %d from %s", tt.kernel, k, err, tt.bytes, tt.source)
		}
	}
}

func TestKernelMemory(t *testing.T) {
	const usage = "memory.kmem.usage_in_bytes"
	for _, tt := range []struct {
		name    string
		version int
		files   map[string]string
		cmdline string
		want    KernelMemory
		err     error
		says    string
	}{
		{"v1", 1, map[string]string{usage: "4096\n"}, "quiet", KernelMemory{4096, usage}, nil, ""},
		{"v1, nothing yet", 1, map[string]string{usage: "0\n"}, "quiet", KernelMemory{0, usage}, nil, ""},
		{"v1 with nokmem", 1, map[string]string{usage: "0\n"}, "ro cgroup.memory=nosocket,nokmem quiet", KernelMemory{}, ErrNotSupported, "cgroup.memory=nokmem"},
		{"v1, nosocket only", 1, map[string]string{usage: "0\n"}, "cgroup.memory=nosocket", KernelMemory{0, usage}, nil, ""},
		{"v1 without the file", 1, map[string]string{"tasks": ""}, "", KernelMemory{}, ErrNotSupported, "CONFIG_MEMCG_KMEM"},
		{"v1, no number", 1, map[string]string{usage: "lots\n"}, "", KernelMemory{}, ErrMalformed, "lots"},
		{"v2 with all parts", 2, map[string]string{"memory.stat": "slab 1\nkernel_stack 20\npercpu 300\npagetables 4000\nsec_pagetables 50000\nvmalloc 600000\nslab_reclaimable 9\n"}, "",
			KernelMemory{654321, "memory.stat slab+kernel_stack+percpu+pagetables+sec_pagetables+vmalloc"}, nil, ""},
		{"v2 with the sum", 2, map[string]string{"memory.stat": "anon 5\nkernel 7\nslab 9\n"}, "", KernelMemory{7, "memory.stat kernel"}, nil, ""},
		{"v2 with nokmem", 2, map[string]string{"memory.stat": "kernel 0\n"}, "cgroup.memory=nokmem", KernelMemory{}, ErrNotSupported, "nokmem"},
		{"v2 without any", 2, map[string]string{"memory.stat": "anon 0\n"}, "", KernelMemory{}, ErrNotSupported, "neither"},
		{"v2 without memory.stat", 2, map[string]string{"cgroup.procs": ""}, "", KernelMemory{}, ErrNotSupported, "memory.stat"},
		{"v2, no number", 2, map[string]string{"memory.stat": "kernel x\n"}, "", KernelMemory{}, ErrMalformed, "kernel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Memcg{Dir: t.TempDir(), Version: tt.version, Proc: t.TempDir()}
			measuretest.Put(t, m.Dir, tt.files)
			measuretest.Put(t, m.Proc, map[string]string{"cmdline": tt.cmdline + "\n"})
			k, err := m.KernelMemory()
			if k != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("got %+v, %v; want %+v, %v", k, err, tt.want, tt.err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
	// A cgroup that was removed is another matter than one that lacks a file.
	for version := 1; version <= 2; version++ {
		_, err := Memcg{Dir: filepath.Join(t.TempDir(), "removed"), Version: version}.KernelMemory()
		if !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotSupported) {
			t.Errorf("v%d, removed: %v", version, err)
		}
	}
}

func TestMemcgLimit(t *testing.T) {
	for _, tt := range []struct {
		version   int
		text      string
		limit     uint64
		unlimited bool
		err       error
	}{
		{2, "max\n", 0, true, nil},
		{2, "1048576\n", 1048576, false, nil},
		{2, "0\n", 0, false, nil},
		{2, "maximum\n", 0, false, ErrMalformed},
		{1, "9223372036854771712\n", 0, true, nil}, // 4k pages
		{1, "9223372036854710272\n", 0, true, nil}, // 64k pages
		{1, "8796093018112\n", 0, true, nil},       // 32 bits
		{1, "1073741824\n", 1073741824, false, nil},
		{1, "max\n", 0, false, ErrMalformed},
	} {
		m := Memcg{Dir: t.TempDir(), Version: tt.version}
		measuretest.Put(t, m.Dir, map[string]string{map[int]string{1: "memory.limit_in_bytes", 2: "memory.max"}[tt.version]: tt.text})
		limit, unlimited, err := m.Limit()
		if limit != tt.limit || unlimited != tt.unlimited || !errors.Is(err, tt.err) {
			t.Errorf("v%d %q: %d, %v, %v", tt.version, tt.text, limit, unlimited, err)
		}
	}
}

func TestMemcgEventsMax(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version int
		files   map[string]string
		want    uint64
		err     error
	}{
		{"v2", 2, map[string]string{"memory.events.local": "low 1\nhigh 2\nmax 3\noom 4\n", "memory.events": "max 30\n"}, 3, nil},
		{"v2 before 5.2", 2, map[string]string{"memory.events": "max 30\n"}, 0, ErrNotSupported},
		{"v2, no field", 2, map[string]string{"memory.events.local": "low 1\n"}, 0, ErrMalformed},
		{"v1", 1, map[string]string{"memory.failcnt": "5\n", "memory.kmem.failcnt": "2\n"}, 7, nil},
		{"v1 without kmem", 1, map[string]string{"memory.failcnt": "5\n"}, 5, nil},
		{"v1, the root", 1, nil, 0, ErrNotSupported},
	} {
		dir := t.TempDir()
		measuretest.Put(t, dir, tt.files)
		n, err := Memcg{Dir: dir, Version: tt.version}.EventsMax()
		if !errors.Is(err, tt.err) || err == nil && n != tt.want {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, n, err, tt.want, tt.err)
		}
	}
}

func TestMemcgStat(t *testing.T) {
	stat, err := Memcg{Dir: army("amd64-7.3", "after"), Version: 2}.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if stat["kernel"] != 2584576 || stat["slab"] != 2579384 || stat["slab"] != stat["slab_reclaimable"]+stat["slab_unreclaimable"] {
		t.Errorf("%v", stat)
	}
	if _, there := stat["zombie"]; there {
		t.Error("a field that is not there")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("anon 1\nkernel 2\n")
	f.Add("kernel\n")
	f.Add("kernel  7\n\nx -1\n")
	f.Add("\v1 0")
	f.Add("kernel 1\nkernel 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		stat, err := parseStat([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		// Both ways of reading find the same.
		for key, want := range stat {
			if got, found, err := statField([]byte(text), key); err != nil || !found || got != want {
				t.Fatalf("field %q of %q: %d, %v, %v; want %d", key, text, got, found, err, want)
			}
		}
	})
}

// Up to Linux 6.15 it is cpu.stat that is read, later memory.stat at the root of
// the hierarchy; what is not there says which.
func TestFlushKnowsItsKernels(t *testing.T) {
	for _, tt := range []struct {
		version int
		release Release
		file    string // the one that is read
	}{
		{2, "5.10.0-32-amd64", "slice/army/cpu.stat"},
		{2, "6.15.11", "slice/army/cpu.stat"},
		{2, "6.16.0", "memory.stat"},
		{2, "7.3.4+deb13-amd64", "memory.stat"},
		{2, "unreadable", "memory.stat"},
		{1, "5.10.0", ""},
	} {
		root := t.TempDir()
		army := filepath.Join(root, "slice", "army")
		if err := os.MkdirAll(army, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{root, filepath.Dir(army), army} {
			for _, name := range []string{"memory.stat", "cpu.stat"} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		m := Memcg{Dir: army, Version: tt.version}
		err := m.Flush(tt.release)
		if tt.file == "" {
			if !errors.Is(err, ErrNotSupported) {
				t.Errorf("version %d, Linux %s: %v", tt.version, tt.release, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("version %d, Linux %s: %v", tt.version, tt.release, err)
		}
		// A file that is a directory cannot be read.
		file := filepath.Join(root, tt.file)
		if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := m.Flush(tt.release); err == nil {
			t.Errorf("version %d, Linux %s: %s is not read", tt.version, tt.release, tt.file)
		}
	}
}

func TestBatched(t *testing.T) {
	for _, tt := range []struct {
		version int
		release Release
		want    bool
	}{
		{2, "5.10.0-30-amd64", true},
		{2, "5.13.0", false},
		{2, "6.1.0-56-amd64", false},
		{1, "5.10.0-30-amd64", false},
	} {
		if got := (Memcg{Version: tt.version}).Batched(tt.release); got != tt.want {
			t.Errorf("v%d on %s: %v, want %v", tt.version, tt.release, got, tt.want)
		}
	}
}
