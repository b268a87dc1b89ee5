package measure

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure/measuretest"
)

func TestSlabinfoOfKernels(t *testing.T) {
	for _, tt := range []struct {
		kernel   string
		caches   int
		pageSize int
		task     SlabLine
		bytes    uint64
	}{
		{"amd64-5.10", 120, 4096, SlabLine{"task_struct", 240, 240, 8064, 4, 8, 60, 60}, 60 * 8 * 4096},
		{"amd64-6.1", 145, 4096, SlabLine{"task_struct", 249, 249, 8448, 3, 8, 83, 83}, 83 * 8 * 4096},
		{"amd64-7.3", 192, 4096, SlabLine{"task_struct", 256, 258, 9024, 3, 8, 86, 86}, 86 * 8 * 4096},
		{"arm64-7.3-16k", 204, 16384, SlabLine{"task_struct", 252, 260, 4864, 13, 4, 20, 20}, 20 * 4 * 16384},
		{"armhf-5.10", 103, 4096, SlabLine{"task_struct", 248, 248, 1984, 8, 4, 31, 31}, 31 * 4 * 4096},
		{"mips64el-6.1", 119, 4096, SlabLine{"task_struct", 252, 252, 3584, 9, 8, 28, 28}, 28 * 8 * 4096},
		{"ppc64el-7.2-64k", 196, 65536, SlabLine{"task_struct", 252, 253, 5504, 23, 2, 11, 11}, 11 * 2 * 65536},
		{"riscv64-6.12", 167, 4096, SlabLine{"task_struct", 252, 252, 3584, 9, 8, 28, 28}, 28 * 8 * 4096},
	} {
		t.Run(tt.kernel, func(t *testing.T) {
			s, err := after(tt.kernel).Slabinfo()
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Caches) != tt.caches {
				t.Errorf("%d caches, want %d", len(s.Caches), tt.caches)
			}
			l, ok := s.Lookup("task_struct")
			if !ok {
				t.Fatal("no task_struct")
			}
			if diff := cmp.Diff(tt.task, l); diff != "" {
				t.Error(diff)
			}
			if got := l.Bytes(tt.pageSize); got != tt.bytes {
				t.Errorf("Bytes = %d, want %d", got, tt.bytes)
			}
			if _, ok := s.Lookup("task_struc"); ok {
				t.Error("found a cache that is not there")
			}
		})
	}
}

const header = "slabinfo - version: 2.1\n# name <active_objs> ...\n"

func TestParseSlabinfoOddLines(t *testing.T) {
	good := "pid 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 4 0"
	for _, tt := range []struct{ name, line, cache string }{
		{"plain", good, "pid"},
		{"no tunables", "pid 1 2 192 21 1 : slabdata 3 4 0", "pid"},
		{"statistics of SLAB behind", good + " : globalstat 7 8 9 : cpustat 1 2", "pid"},
		{"space in the name", "my cache 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 4 0", "my cache"},
		{"cache of a cgroup, before 5.9", "pid(42:a : b) 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 4 0", "pid(42:a : b)"},
		{"numbers in the name", "ext4 17 1 2 192 21 1 : slabdata 3 4 0", "ext4 17"},
		{"cut short", "pid 1 2 192 21 1 : tunables 0 0", ""},
		{"slabdata cut short", "pid 1 2 192 21 1 : slabdata 3", ""},
		{"negative", "pid -1 2 192 21 1 : slabdata 3 4 0", ""},
		{"nameless", " 1 2 192 21 1 : slabdata 3 4 0", ""},
		{"too great", "pid 1 99999999999999999999 192 21 1 : slabdata 3 4 0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseSlabinfo([]byte(header + tt.line + "\nlast 1 1 8 512 1 : slabdata 1 1 0\n"))
			if err != nil {
				t.Fatal(err)
			}
			want := []SlabLine{{Name: "last", ActiveObjs: 1, NumObjs: 1, ObjSize: 8, ObjsPerSlab: 512, PagesPerSlab: 1, ActiveSlabs: 1, NumSlabs: 1}}
			if tt.cache != "" {
				want = append([]SlabLine{{Name: tt.cache, ActiveObjs: 1, NumObjs: 2, ObjSize: 192, ObjsPerSlab: 21, PagesPerSlab: 1, ActiveSlabs: 3, NumSlabs: 4}}, want...)
			}
			if diff := cmp.Diff(want, s.Caches); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseSlabinfoBroken(t *testing.T) {
	for _, text := range []string{"", "\n", "pid 1 2 192 21 1 : slabdata 3 4 0\n", "slabinfo - version: \n"} {
		if _, err := parseSlabinfo([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: error %v, want ErrMalformed", text, err)
		}
	}
}

func TestSlabinfoErrors(t *testing.T) {
	if _, err := (FS{Proc: t.TempDir()}).Slabinfo(); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without the file: %v, want ErrNotSupported", err)
	}
	if os.Getuid() != 0 {
		if _, err := Host().Slabinfo(); !errors.Is(err, ErrNotPermitted) {
			t.Errorf("as a user: %v, want ErrNotPermitted", err)
		}
	}
}

// A file larger than any buffer is read whole.
func TestSlabinfoLarge(t *testing.T) {
	dir := t.TempDir()
	const lines = 5000
	measuretest.Put(t, dir, map[string]string{"slabinfo": header + strings.Repeat("pid 1 9 192 21 1 : slabdata 3 4 0\n", lines)})
	s, err := FS{Proc: dir}.Slabinfo()
	if err != nil || len(s.Caches) != lines {
		t.Errorf("%d caches, error %v; want %d", len(s.Caches), err, lines)
	}
}

func TestSlabinfoOfThisKernel(t *testing.T) {
	measuretest.SkipUnlessRoot(t)
	s, err := Host().Slabinfo()
	if errors.Is(err, ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Every line of the running kernel is understood.
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := parseSlabinfo(text); err != nil || len(s.Caches) != strings.Count(string(text), "\n")-2 {
		t.Errorf("%d caches, %v, out of\n%s", len(s.Caches), err, text)
	}
	l, ok := s.Lookup("task_struct")
	if !ok || l.ActiveObjs == 0 || l.ActiveObjs > l.NumObjs || l.NumObjs > l.NumSlabs*l.ObjsPerSlab {
		t.Errorf("task_struct: %+v", l)
	}
}

func FuzzParseSlabinfo(f *testing.F) {
	f.Add(header + "pid 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 4 0\n")
	f.Add("slabinfo - version: 2.1")
	f.Add(header + "a b 1 2 3 4 5 : slabdata 6 7\n: slabdata\n")
	for _, k := range []string{"amd64-5.10", "ppc64el-7.2-64k"} {
		data, err := os.ReadFile(filepath.Join("testdata", k, "after", "proc", "slabinfo"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data[:2000])) // long inputs slow the search down
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSlabinfo([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v is no ErrMalformed", err)
			}
			return
		}
		if n := len(s.Caches); n > strings.Count(text, "\n")+1 {
			t.Fatalf("%d lines out of %q", n, text)
		}
		for _, l := range s.Caches {
			if strings.TrimSpace(l.Name) != l.Name || l.Name == "" {
				t.Fatalf("name %q", l.Name)
			}
			if _, ok := s.Lookup(l.Name); !ok {
				t.Fatalf("%q is not found", l.Name)
			}
		}
		again, err := parseSlabinfo([]byte(text))
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatal("another reading differs")
		}
	})
}

func BenchmarkParseSlabinfo(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "amd64-7.3", "after", "proc", "slabinfo"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseSlabinfo(data); err != nil {
			b.Fatal(err)
		}
	}
}
