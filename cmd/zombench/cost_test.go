package main

import (
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/measuretest"
)

func TestFindCost(t *testing.T) {
	here := measure.Machine{Kernel: "1.2.3-test", GOARCH: "amd64"}
	const local = "results/local/1.2.3-test.txt"
	type file struct {
		path, kernel, goarch, spawn string
		pages, charge               int
	}
	for _, tt := range []struct {
		name          string
		files         []file
		from          string
		pages, charge uint64
		measured      bool
		source        string // part of it
	}{
		{"nothing measured", nil, "", bench.AssumedBytes, bench.AssumedBytes, false, "assumed, not measured; zombench run -o " + local},
		{"measured here", []file{{local, "1.2.3-test", "amd64", "exec", 10000, 9000}}, "", 10000, 9000, true, "measured on Linux 1.2.3-test/amd64, spawn exec (" + local + ")"},
		{"recorded", []file{{"results/recorded/b.txt", "1.2.3-test", "amd64", "exec", 10000, 9000}}, "", 10000, 9000, true, "results/recorded/b.txt"},
		{"local goes before recorded", []file{{local, "1.2.3-test", "amd64", "exec", 10001, 9000}, {"results/recorded/b.txt", "1.2.3-test", "amd64", "exec", 10000, 9000}}, "", 10001, 9000, true, local},
		{"recorded of another kernel", []file{{"results/recorded/b.txt", "1.2.4", "amd64", "exec", 10000, 9000}}, "", bench.AssumedBytes, bench.AssumedBytes, false, "assumed"},
		{"recorded of another architecture", []file{{"results/recorded/b.txt", "1.2.3-test", "arm64", "exec", 10000, 9000}}, "", bench.AssumedBytes, bench.AssumedBytes, false, "assumed"},
		{"local file of another kernel", []file{{local, "1.2.2", "amd64", "exec", 10000, 9000}}, "", bench.AssumedBytes, bench.AssumedBytes, false, "assumed"},
		{"named, of another kernel", []file{{"x.txt", "1.2.2", "arm64", "exec", 10000, 9000}}, "x.txt", 10000, 9000, true, "measured on Linux 1.2.2/arm64, spawn exec (x.txt); this is Linux 1.2.3-test/amd64"},
		{"slab only", []file{{local, "1.2.3-test", "amd64", "exec", 10000, 0}}, "", 10000, 10000, true, "by slab pages alone"},
		{"charge only", []file{{local, "1.2.3-test", "amd64", "exec", 0, 9000}}, "", 9000, 9000, true, "by the charge alone"},
		{"slab grew by less than was charged", []file{{local, "1.2.3-test", "amd64", "exec", 8000, 9000}}, "", 9000, 9000, true, "slab grew by less"},
		{"a zombie alone says more than one with a pidfd", []file{{"results/recorded/a.txt", "1.2.3-test", "amd64", "os-exec", 12000, 11000}, {local, "1.2.3-test", "amd64", "clone", 10000, 9000}}, "", 10000, 9000, true, "clone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, f := range tt.files {
				resultFile(t, f.path, f.kernel, f.goarch, f.spawn, f.pages, f.charge)
			}
			c, err := findCost(tt.from, here)
			if err != nil {
				t.Fatal(err)
			}
			if c.Pages != tt.pages || c.Charge != tt.charge || c.Measured != tt.measured || !strings.Contains(c.Source, tt.source) {
				t.Errorf("got %+v, want %+v", c, tt)
			}
			if said := strings.Contains(c.String(), "assumed, not measured"); said == tt.measured {
				t.Errorf("measured %v, but it says %q", tt.measured, c)
			}
		})
	}
}

func TestFindCostBroken(t *testing.T) {
	here := measure.Machine{Kernel: "1.2.3-test", GOARCH: "amd64"}
	t.Chdir(t.TempDir())
	measuretest.Put(t, ".", map[string]string{"broken.txt": "kernel: 1.2.3-test\n\nBenchmarkZombies/count=1/parallel=1/spawn=exec 1 x kmem-B/1000zombies\n"})
	measuretest.Put(t, localResults, map[string]string{"1.2.3-test.txt": "no results\n"})
	for _, from := range []string{"broken.txt", "nowhere.txt"} {
		if _, err := findCost(from, here); err == nil || !strings.Contains(err.Error(), from) {
			t.Errorf("%s: error %v", from, err)
		}
	}
	c, err := findCost("", here)
	if err != nil || c.Measured || !strings.Contains(c.Source, filepath.Join(localResults, "1.2.3-test.txt")+" is of no use") {
		t.Errorf("%+v, %v", c, err)
	}
}
