package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zombench/bench/vm"
)

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		release, count, want string
	}{
		{"5.10.0-30-amd64", "", "2000,4000,8000"},
		{"6.1.0-56-amd64", "", "250,500,1000"},
		{"", "", "250,500,1000"},
		{"5.10.0-30-amd64", "7", "7"},
	} {
		f := Fleet{Fields: map[string]string{"count": tt.count, "parallel": "1"}}
		got := f.fields(vm.Kernel{Release: tt.release})
		if got["count"] != tt.want || got["parallel"] != "1" {
			t.Errorf("%q with count=%q: %v, want count=%s", tt.release, tt.count, got, tt.want)
		}
		if f.Fields["count"] != tt.count {
			t.Errorf("one kernel's fields became those of the fleet: %v", f.Fields)
		}
	}
	if got := (&Fleet{Experiment: "dress", Fields: map[string]string{"count": "9"}}).fields(vm.Kernel{}); len(got) != 1 || got["count"] != "9" {
		t.Errorf("fields of another experiment: %v", got)
	}
	if got := (&Fleet{}).fields(vm.Kernel{}); got["count"] == "" {
		t.Errorf("without fields: %v", got)
	}
}

const resultFile = `# zombench
kernel: 6.1

BenchmarkZombies/count=1/parallel=1/spawn=clone 1 9600 kmem-B/1000zombies
# broken: pids: BenchmarkZombies/count=1/parallel=1/spawn=clone 1
`

// TestKeep goes through the ways in which a guest can end.
func TestKeep(t *testing.T) {
	broke := errors.New("the machine went down")
	for _, tt := range []struct {
		name, sent string
		bootErr    error
		file       string // "" if none may be left
		note       string
		wants      string // in the error
	}{
		{"whole", resultFile, nil, "k.txt", ", 1 trials broken", ""},
		{"partial", resultFile, broke, "k.partial.txt", "", "the machine went down; 2 trials before that are in "},
		{"nothing", "", broke, "", "", "the machine went down"},
		{"no trial", "# zombench\n", broke, "", "", "the machine went down"},
		{"rubbish", "Benchmark\n", nil, "", "", "no result file"},
		{"empty", "", nil, "", "", "no result file"},
		{"stranger", strings.Replace(resultFile, "6.1", "6.2", 1), nil, "", "", "k: Linux 6.2 was booted, not 6.1: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fleetRun{Fleet: &Fleet{Dir: t.TempDir()}}
			note, err := r.keep(vm.Kernel{Release: "6.1"}, "k", []byte(tt.sent), tt.bootErr)
			if note != tt.note {
				t.Errorf("note %q, want %q", note, tt.note)
			}
			if (err == nil) != (tt.wants == "") || err != nil && !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("error %v, want %q", err, tt.wants)
			}
			files, _ := filepath.Glob(r.Dir + "/*")
			hidden, _ := filepath.Glob(r.Dir + "/.*")
			if got := append(files, hidden...); strings.Join(got, " ") != strings.Join(r.files, " ") || len(got) > 1 {
				t.Errorf("%v are there, and %v are known", got, r.files)
			}
			if tt.file == "" {
				if len(files) > 0 {
					t.Errorf("%v are left", files)
				}
				return
			}
			if got, err := os.ReadFile(filepath.Join(r.Dir, tt.file)); err != nil || string(got) != tt.sent {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// What this version has recorded of a kernel is resumed, and nothing else.
func TestResume(t *testing.T) {
	k := vm.Kernel{Name: "amd64-6.1", Package: "linux-image-6.1", Version: "6.1-1", Release: "6.1"}
	const whole = "# run ABC: trials=2\n# zombench v1, 2026-01-02T03:04:05Z\n# seed 1\n# kernel image of Debian package linux-image-6.1 6.1-1, SHA-256 00\n"
	for _, tt := range []struct {
		name, file string
		want       bool
	}{
		{"recorded", whole, true},
		{"by another version", strings.Replace(whole, "v1", "v1.1", 1), false},
		{"of another package", strings.Replace(whole, "6.1-1", "6.1-2", 1), false},
		{"nothing", "", false},
	} {
		f := &Fleet{Dir: t.TempDir(), Version: "v1", Resume: true}
		if err := os.WriteFile(f.path("amd64-6.1"), []byte(tt.file), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := f.recorded(k); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if f.Resume = false; f.recorded(k) {
			t.Errorf("%s: resumed unasked", tt.name)
		}
	}
}

func TestName(t *testing.T) {
	f := Fleet{CPU: "qemu64", Experiment: "dress", CPUs: 2, MaxCPUs: 64, Append: []string{"slab_nomerge", "a=/b"}}
	if got, want := f.name(vm.Kernel{Name: "amd64-6.1"}), "amd64-6.1-qemu64-dress-64cpus-slab_nomerge-a=_b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The parts of a list are the list, without anything twice.
func TestShard(t *testing.T) {
	kernels := make([]vm.Kernel, 11)
	for i := range kernels {
		kernels[i].Name = string(rune('a' + i))
	}
	for n := 1; n < 13; n++ {
		seen := make(map[string]int)
		for i := 1; i <= n; i++ {
			s, err := ParseShard(fmt.Sprintf("%d/%d", i, n))
			if err != nil {
				t.Fatal(err)
			}
			part := s.Select(kernels)
			if len(part) < len(kernels)/n || len(part) > len(kernels)/n+1 {
				t.Errorf("%d/%d: %d kernels", i, n, len(part))
			}
			for _, k := range part {
				seen[k.Name]++
			}
		}
		for _, k := range kernels {
			if seen[k.Name] != 1 {
				t.Errorf("of %d parts %s is in %d", n, k.Name, seen[k.Name])
			}
		}
	}
	if s, err := ParseShard("0/3"); err != nil || s != (Shard{3, 3}) {
		t.Errorf("0/3 is %v, %v; want 3/3", s, err)
	}
	for _, text := range []string{"", "1", "0/0", "4/3", "a/3", "1/b", "-1/2", "1/0"} {
		if s, err := ParseShard(text); err == nil {
			t.Errorf("%q is taken for %v", text, s)
		}
	}
}

// Kernels are fetched some at a time, each once, and of those that cannot be had
// the others know nothing.
func TestSupply(t *testing.T) {
	var wanted []vm.Kernel
	for i := range 2*fetchAhead + 1 {
		wanted = append(wanted, vm.Kernel{Name: fmt.Sprint("k", i)})
	}
	calls := 0
	broken := errors.New("no such package")
	s := newSupply(append(wanted, vm.Kernel{Name: "here", Path: "p"}), func(_ context.Context, some []vm.Kernel) (got []vm.Kernel, err error) {
		calls++
		for _, k := range some {
			if k.Name == "k1" {
				err = broken
				continue
			}
			k.Path = "/" + k.Name
			got = append(got, k)
		}
		return got, err
	})
	for _, k := range slices.Repeat(wanted, 2) {
		got, err := s.get(t.Context(), k)
		if k.Name == "k1" {
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), "k1 could not be fetched") {
				t.Errorf("%s: %v", k.Name, err)
			}
		} else if err != nil || got.Path != "/"+k.Name {
			t.Errorf("%s: %+v, %v", k.Name, got, err)
		}
	}
	if got, err := s.get(t.Context(), vm.Kernel{Name: "here", Path: "p"}); err != nil || got.Path != "p" {
		t.Errorf("%+v, %v", got, err)
	}
	if calls != 3 {
		t.Errorf("%d downloads, want 3", calls)
	}
}
