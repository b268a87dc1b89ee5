package ledger

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/measure"
	"zombench/results"
)

// A cache of the pretended kernel.
type cache struct {
	measure.SlabLine
	per         float64 // objects a zombie
	uncharged   bool
	reclaimable bool
}

// zombie is what one holds on a kernel much like Linux 6.18 on amd64: 9568 B
// of objects and 9616 B charged.
func zombie() []cache {
	line := func(name string, size, perSlab, pages uint64) measure.SlabLine {
		return measure.SlabLine{Name: name, ObjSize: size, ObjsPerSlab: perSlab, PagesPerSlab: pages}
	}
	return []cache{
		{SlabLine: line("kmalloc-64", 64, 64, 1), per: 1. / 5, uncharged: true},          // vectors of task_struct
		{SlabLine: line("kmalloc-128", 128, 32, 1), per: 1./15 + 1./14, uncharged: true}, // of sighand_cache and signal_cache
		{SlabLine: line("kmalloc-192", 192, 21, 1), per: 2. / 21, uncharged: true},       // of pid
		{SlabLine: line("kmalloc-2k", 2048, 16, 8), per: 1. / 256, uncharged: true},      // of kmalloc-cg-16
		{SlabLine: line("task_struct", 5904, 5, 8), per: 1},
		{SlabLine: line("sighand_cache", 2112, 15, 8), per: 1},
		{SlabLine: line("signal_cache", 1152, 14, 4), per: 1},
		{SlabLine: line("pid", 192, 21, 1), per: 2}, // and cred
		{SlabLine: line("kmalloc-cg-16", 16, 256, 1), per: 1},
		{SlabLine: line("radix_tree_node", 584, 14, 2), per: 1. / 64, uncharged: true, reclaimable: true},
		{SlabLine: line("dentry", 192, 21, 1), per: 0, reclaimable: true},
	}
}

// trial pretends that an army of n was measured.
func trial(n int, caches []cache) *bench.Trial {
	read := func(n int) bench.Sample {
		slab, mem := measure.Slabinfo{}, measure.Meminfo{MemFree: 1 << 34}
		var kmem uint64 = 2 << 20
		for _, c := range caches {
			l := c.SlabLine
			gain := uint64(math.Round(float64(n) * c.per))
			l.ActiveObjs = 100 + gain
			l.NumSlabs = (l.ActiveObjs + l.ObjsPerSlab - 1) / l.ObjsPerSlab
			l.ActiveSlabs, l.NumObjs = l.NumSlabs, l.NumSlabs*l.ObjsPerSlab
			slab.Caches = append(slab.Caches, l)
			if !c.uncharged {
				kmem += gain * (l.ObjSize + 8)
			}
			mem.Slab += l.Bytes(4096)
			if !c.reclaimable {
				mem.SUnreclaim += l.Bytes(4096)
			}
		}
		mem.MemFree -= mem.Slab
		kmem = kmem / 4096 * 4096
		return bench.Sample{Mem: &mem, Slab: &slab, Kmem: &kmem}
	}
	setup := bench.Setup{Bench: results.Zombies, Count: n, Parallel: 8, Spawn: "exec"}
	if n == 0 {
		setup.Bench = results.Control
	}
	return &bench.Trial{Setup: setup, Before: read(0), After: read(n), Reaped: read(0)}
}

func trials(caches []cache) []*bench.Trial {
	var all []*bench.Trial
	for range 3 {
		for _, n := range []int{0, 500, 1000, 2000, 4000} {
			all = append(all, trial(n, caches))
		}
	}
	return all
}

func kernel() Kernel {
	inTask := true
	return Kernel{
		PageSize: 4096, PointerSize: 8,
		Cache: func(name string) (measure.SlabCache, bool) {
			for _, c := range zombie() {
				if c.Name != name {
					continue
				}
				s := measure.SlabCache{Name: name, ID: name, Aliases: []string{name}, ObjectSize: c.ObjSize, Reclaimable: c.reclaimable}
				switch name {
				case "pid":
					s.ID, s.Aliases = ":A-0000192", []string{"cred", "pid"}
				case "sighand_cache":
					s.ObjectSize = 2080
				}
				return s, true
			}
			return measure.SlabCache{}, false
		},
		StructSize: func(name string) (uint64, bool) {
			size, ok := map[string]uint64{"task_struct": 3264, "sighand_struct": 2080, "signal_struct": 1144, "pid": 144, "cred": 184}[name]
			return size, ok
		},
		ThreadInfoInTask: &inTask,
	}
}

func step(t *testing.T, l *Ledger, name string) Step {
	t.Helper()
	i := slices.IndexFunc(l.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no step %q", name)
	}
	return l.Steps[i]
}

func TestLedgerAddsUp(t *testing.T) {
	l, err := New(kernel(), trials(zombie()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range l.Lines {
		got = append(got, string(line.Role)+" "+line.Name)
	}
	want := "held task_struct, held sighand_cache, held signal_cache, held pid, held kmalloc-cg-16, " +
		"vectors kmalloc-192, vectors kmalloc-128, vectors kmalloc-64, vectors kmalloc-2k, other radix_tree_node"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("lines %s\nwant  %s", text, want)
	}
	if s := step(t, l, stepObjects); s.Bytes != 9568 {
		t.Errorf("objects: %v B, want 9568", s.Bytes)
	}
	if s := step(t, l, stepCharge); math.Abs(s.Bytes-9616) > 4 || math.Abs(s.Percent()) > 0.05 {
		t.Errorf("charge: %.1f B with %.2f %% unexplained, want 9616", s.Bytes, s.Percent())
	}
	if s := step(t, l, "SUnreclaim"); math.Abs(s.Percent()) > 0.3 {
		t.Errorf("SUnreclaim: %+.0f B unexplained, %.2f %%", s.Rest, s.Percent())
	}
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
	if l.Stack != nil {
		t.Errorf("a kernel stack of %.0f B", l.Stack.Bytes)
	}
	if l.Lines[3].Use[0].Struct != "cred" || l.Lines[3].Use[1].Size != 144 {
		t.Errorf("the merged cache holds %+v", l.Lines[3].Use)
	}
}

// Each lie must be caught by the step that can tell.
func TestLiesAreCaught(t *testing.T) {
	without := func(name string) func([]*bench.Trial) {
		return func(all []*bench.Trial) {
			for _, trial := range all {
				for _, slab := range []*measure.Slabinfo{trial.Before.Slab, trial.After.Slab} {
					slab.Caches = slices.DeleteFunc(slab.Caches, func(l measure.SlabLine) bool { return l.Name == name })
				}
			}
		}
	}
	for _, tt := range []struct {
		name string
		lie  func([]*bench.Trial)
		want string // steps that do not add up
	}{
		{"none", func([]*bench.Trial) {}, ""},
		{"a missing cache", without("sighand_cache"), "charged to the cgroup, SUnreclaim"},
		{"a small missing cache", without("pid"), "charged to the cgroup, SUnreclaim"},
		{"a charge for more than there is", func(all []*bench.Trial) {
			for _, t := range all {
				*t.After.Kmem += uint64(t.Count) * 64
			}
		}, "charged to the cgroup"},
		{"pages that nobody has", func(all []*bench.Trial) {
			for _, t := range all {
				t.After.Mem.SUnreclaim += uint64(t.Count) * 200
			}
		}, "SUnreclaim"},
		{"one cache counted twice as large", func(all []*bench.Trial) {
			for _, t := range all {
				for i := range t.After.Slab.Caches {
					if c := &t.After.Slab.Caches[i]; c.Name == "signal_cache" {
						c.ObjSize *= 2
					}
				}
			}
		}, "charged to the cgroup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := trials(zombie())
			tt.lie(all)
			l, err := New(kernel(), all)
			if err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, s := range l.Unexplained() {
				bad = append(bad, s.Name)
			}
			if got := strings.Join(bad, ", "); got != tt.want {
				t.Errorf("unexplained: %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoiseIsNotListed(t *testing.T) {
	caches := append(zombie(), cache{SlabLine: measure.SlabLine{Name: "filp", ObjSize: 192, ObjsPerSlab: 21, PagesPerSlab: 1}, per: 0.004, uncharged: true})
	listed := func(all []*bench.Trial) bool {
		l, err := New(kernel(), all)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(l.Lines, func(line Line) bool { return line.Name == "filp" })
	}
	if all := trials(caches); !listed(all) {
		t.Error("a cache that grew is not listed")
	}
	all := trials(caches)
	for _, trial := range all {
		if trial.Count == 0 { // a control moved as much
			for i := range trial.After.Slab.Caches {
				if c := &trial.After.Slab.Caches[i]; c.Name == "filp" {
					c.ActiveObjs += 50
				}
			}
		}
	}
	if listed(all) {
		t.Error("a cache that grew less than in a control is listed")
	}
}

func TestBrokenTrialsAreLeftOut(t *testing.T) {
	all := trials(zombie())
	wild := trial(3000, zombie())
	wild.Broken = "pids.current grew by 3001 and not by 3000"
	*wild.After.Kmem *= 7
	all[1].Noisy = []string{"something"}
	l, err := New(kernel(), append(all, wild))
	if err != nil {
		t.Fatal(err)
	}
	if l.Trials != 12 || l.Controls != 3 || len(l.Broken) != 1 || len(l.Noisy) != 1 || slices.Contains(l.Counts, 3000) {
		t.Errorf("%d trials, %d controls, broken %q, noisy %q, counts %v", l.Trials, l.Controls, l.Broken, l.Noisy, l.Counts)
	}
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
}

func TestTooLittle(t *testing.T) {
	for name, all := range map[string][]*bench.Trial{
		"nothing":  nil,
		"one size": {trial(0, zombie()), trial(500, zombie()), trial(500, zombie())},
	} {
		if _, err := New(kernel(), all); !errors.Is(err, ErrTooLittle) {
			t.Errorf("%s: %v", name, err)
		}
	}
	all := trials(zombie())
	all[1].After.Slab = nil
	if _, err := New(kernel(), all); !errors.Is(err, ErrTooLittle) || !strings.Contains(err.Error(), "slabinfo") {
		t.Errorf("without slabinfo: %v", err)
	}
}

// Kernels without THREAD_INFO_IN_TASK keep the stack, which is charged and is
// no slab.
func TestKernelStack(t *testing.T) {
	withStack := func(bytes uint64) []*bench.Trial {
		all := trials(zombie())
		for _, t := range all {
			*t.After.Kmem += uint64(t.Count) * bytes
			t.After.Mem.MemFree -= uint64(t.Count) * bytes
		}
		return all
	}
	onStack, inTask := false, true
	for _, tt := range []struct {
		name string
		in   *bool
		size uint64
		want float64
		adds bool
	}{
		{"armhf", &onStack, 8192, 8192, true},
		{"mips64", nil, 16384, 16384, true},
		{"no stack", nil, 0, 0, true},
		{"not where thread_info is in the task", &inTask, 8192, 0, false},
		{"no whole pages", &onStack, 6000, 8192, false}, // it is none, and that shows
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := kernel()
			k.ThreadInfoInTask = tt.in
			l, err := New(k, withStack(tt.size))
			if err != nil {
				t.Fatal(err)
			}
			var got float64
			if l.Stack != nil {
				got = l.Stack.Bytes
			}
			if got != tt.want {
				t.Errorf("a stack of %.0f B, want %.0f", got, tt.want)
			}
			if adds := len(l.Unexplained()) == 0; adds != tt.adds {
				t.Errorf("adds up: %v, want %v: %+v", adds, tt.adds, l.Unexplained())
			}
		})
	}
}

// Objects that the cgroup is not charged for leave the charge, not the pages.
func TestDisown(t *testing.T) {
	caches := zombie()
	for i := range caches {
		if caches[i].Name == "kmalloc-cg-16" {
			caches[i].Name, caches[i].uncharged = "kmalloc-16", true
		}
		if caches[i].Name == "kmalloc-2k" {
			caches[i].per = 0
		}
	}
	caches[8].ObjSize, caches[8].ObjsPerSlab = 96, 42 // large enough to matter
	l, err := New(kernel(), trials(caches))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Unexplained()) == 0 {
		t.Error("objects that were never charged pass for charged ones")
	}
	l.Disown(kernel(), "kmalloc-16")
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
}

func TestKmalloc(t *testing.T) {
	for name, want := range map[string]uint64{
		"kmalloc-8": 8, "kmalloc-192": 192, "kmalloc-2k": 2048, "kmalloc-rnd-07-64": 64,
		"kmalloc-cg-64": 0, "kmalloc-rcl-64": 0, "dma-kmalloc-8": 0, "task_struct": 0, "kmalloc-": 0,
	} {
		if size, ok := kmalloc(name); size != want || ok != (want > 0) {
			t.Errorf("%s: %d, %v; want %d", name, size, ok, want)
		}
	}
}
