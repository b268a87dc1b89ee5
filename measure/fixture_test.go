package measure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/measure/measuretest"
)

// kernels are the fixtures: files of real kernels, taken after (and some
// before) a process in the cgroup army made 200 zombies.
var kernels = []string{
	"amd64-5.10", "amd64-6.1", "amd64-7.3", "arm64-7.3-16k",
	"armhf-5.10", "mips64el-6.1", "ppc64el-7.2-64k", "riscv64-6.12",
}

func after(kernel string) FS { return FS{Proc: filepath.Join("testdata", kernel, "after", "proc")} }

func army(kernel, when string) string { return filepath.Join("testdata", kernel, when, "army") }

func testdata(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sysSlab lays out /sys/kernel/slab of a kernel in a new sys root: the names
// of its directories are not fit for a repository.
func sysSlab(t *testing.T, kernel string) string {
	t.Helper()
	sys := t.TempDir()
	dir := filepath.Join(sys, "kernel", "slab")
	for line := range strings.Lines(string(testdata(t, kernel, "slab.links"))) {
		name, target, link := strings.Cut(strings.TrimSpace(line), " -> ")
		if link {
			measuretest.Put(t, dir, map[string]string{name: "-> " + target})
		} else if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	attributes, err := filepath.Glob(filepath.Join("testdata", kernel, "slab", "*", "*"))
	if err != nil || len(attributes) == 0 {
		t.Fatalf("no attributes of %s: %v", kernel, err)
	}
	for _, a := range attributes {
		cache, file := filepath.Base(filepath.Dir(a)), filepath.Base(a)
		text := string(testdata(t, kernel, "slab", cache, file))
		measuretest.Put(t, dir, map[string]string{filepath.Join(cache, file): text}) // through the link
	}
	return sys
}
