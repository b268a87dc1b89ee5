package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zombench/measure/measuretest"
)

// What one full sample costs. Its allocations must not grow with the number
// of processes: it looks at none.
func BenchmarkSample(b *testing.B) {
	measuretest.SkipUnlessRoot(b)
	fs := Host()
	m, err := fs.Cgroups(0)
	if err != nil {
		b.Fatal(err)
	}
	memory, err := m.Controller("memory")
	if err != nil {
		b.Skip(err)
	}
	pids, err := m.Controller("pids")
	if err != nil {
		b.Skip(err)
	}
	dir := filepath.Join(pids.Dir(), fmt.Sprintf("zombench-sample-%d", os.Getpid())) // the root has no pids.current
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Skip(err)
	}
	defer os.Remove(dir)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fs.Meminfo(); err != nil {
			b.Fatal(err)
		}
		if _, err := fs.Slabinfo(); err != nil {
			b.Fatal(err)
		}
		if _, err := (Pids{Dir: dir}).Current(); err != nil {
			b.Fatal(err)
		}
		if _, err := (Memcg{Dir: memory.Dir(), Version: memory.Version}).KernelMemory(); err != nil {
			b.Fatal(err)
		}
	}
}
