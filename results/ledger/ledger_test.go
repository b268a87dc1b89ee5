package ledger

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

// A pretended slab cache.
type cache struct {
	results.Cache
	per float64 // objects a zombie
}

func (c cache) uncharged() bool { return c.Charged == results.No }

// zombie is what one holds on a kernel much like Linux 6.18 on amd64: 9568 B
// of objects and 9616 B charged.
func zombie() []cache {
	line := func(per float64, name string, size, perSlab, pages uint64) cache {
		return cache{results.Cache{Name: name, Size: size, Used: size, PerSlab: perSlab, SlabBytes: 4096 * pages, Charged: results.Yes, Aliases: []string{name}}, per}
	}
	all := []cache{
		line(1./5, "kmalloc-64", 64, 64, 1),          // vectors of task_struct
		line(1./15+1./14, "kmalloc-128", 128, 32, 1), // of sighand_cache and signal_cache
		line(2./21, "kmalloc-192", 192, 21, 1),       // of pid
		line(1./256, "kmalloc-2k", 2048, 16, 8),      // of kmalloc-cg-16
		line(1./64, "radix_tree_node", 584, 14, 2),   //
		line(1, "task_struct", 5904, 5, 8),           //
		line(1, "sighand_cache", 2112, 15, 8),        //
		line(1, "signal_cache", 1152, 14, 4),         //
		line(2, "pid", 192, 21, 1),                   // and cred
		line(1, "kmalloc-cg-16", 16, 256, 1),         //
		line(0, "dentry", 192, 21, 1),                //
		line(0, "filp", 192, 21, 1),                  //
	}
	for i := range all {
		c := &all[i]
		switch c.Name {
		case "pid":
			c.Aliases = []string{"cred", "pid"}
		case "sighand_cache":
			c.Used = 2080
		case "radix_tree_node", "dentry":
			c.Reclaimable = true
		}
		if i < 5 {
			c.Charged = results.No
		}
	}
	return all
}

// facts are what a file says of that kernel. A cache of which it is not known
// whether it is charged passes for one that is.
func facts(caches []cache) *results.Facts {
	f := &results.Facts{Kernel: results.Kernel{PointerBytes: 8, ThreadInfoInTask: results.Yes}}
	for _, c := range caches {
		c.Charged = results.Unknown
		f.Caches = append(f.Caches, c.Cache)
	}
	for i, name := range []string{"task_struct", "sighand_struct", "signal_struct", "pid", "cred"} {
		f.Kernel.Structs = append(f.Kernel.Structs, results.Counter{Name: name, Value: []uint64{3264, 2080, 1144, 144, 184}[i]})
	}
	return f
}

// trial pretends that an army of n was measured.
func trial(n int, caches []cache) results.Record {
	read := func(when string, n int) results.Reading {
		r := results.Reading{When: when}
		var slab, sunreclaim, kmem uint64 = 0, 0, 2 << 20
		for _, c := range caches {
			gain := uint64(math.Round(float64(n) * c.per))
			reading := results.CacheReading{Name: c.Name, Objects: 100 + gain, Slabs: (100 + gain + c.PerSlab - 1) / c.PerSlab}
			r.Caches = append(r.Caches, reading)
			if !c.uncharged() {
				kmem += gain * (c.Size + 8)
			}
			slab += reading.Slabs * c.SlabBytes
			if !c.Reclaimable {
				sunreclaim += reading.Slabs * c.SlabBytes
			}
		}
		r.Counters = append(r.Counters, results.Counter{Name: "kmem-B", Value: kmem / 4096 * 4096}, results.Counter{Name: "slab-B", Value: slab},
			results.Counter{Name: "sunreclaim-B", Value: sunreclaim}, results.Counter{Name: "memfree-B", Value: 1<<34 - slab})
		return r
	}
	r := results.Record{Config: []results.Param{{Key: "kernel", Value: "6.18.0"}, {Key: "goarch", Value: "amd64"}, {Key: "page-size", Value: "4096"}},
		Facts: facts(caches), File: "f"}
	r.Trial = results.Trial{Bench: results.Zombies, N: n, Params: []results.Param{{Key: "count", Value: fmt.Sprint(n)}, {Key: "spawn", Value: "exec"}},
		Values: []results.Value{{Unit: results.UnitPids, Value: 1}}, Readings: []results.Reading{read("before", 0), read("after", n), read("reaped", 0)}}
	if n == 0 {
		r.Trial.Bench, r.Control, r.N, r.Params = results.Control, true, 1, r.Params[1:]
		r.Values[0] = results.Value{Unit: "pids", Value: 0}
	}
	return r
}

func trials(caches []cache) []results.Record {
	var all []results.Record
	for range 3 {
		for _, n := range []int{0, 500, 1000, 2000, 4000} {
			all = append(all, trial(n, caches))
		}
	}
	return all
}

// count is the number of zombies in a trial.
func count(r results.Record) uint64 {
	if r.Control {
		return 0
	}
	return uint64(r.N)
}

// add adds to a counter after the army was raised.
func add(r results.Record, name string, n uint64) {
	for i := range r.Readings[1].Counters {
		if c := &r.Readings[1].Counters[i]; c.Name == name {
			c.Value += n
		}
	}
}

// one draws up the ledger of records that are of one system.
func one(records []results.Record) (*Ledger, error) {
	all, err := New(records)
	if err != nil {
		return nil, err
	}
	return all[0], nil
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
	l, err := one(trials(zombie()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range l.Caches {
		got = append(got, string(line.Role)+" "+line.Name)
	}
	want := "retained task_struct, retained sighand_cache, retained signal_cache, retained pid, retained kmalloc-cg-16, " +
		"vectors kmalloc-192, vectors kmalloc-128, vectors kmalloc-64, vectors kmalloc-2k, other radix_tree_node"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("lines %s\nwant  %s", text, want)
	}
	if s := step(t, l, StepObjects); s.Bytes != 9568 {
		t.Errorf("objects: %v B, want 9568", s.Bytes)
	}
	if s := step(t, l, StepCharge); math.Abs(s.Bytes-9616) > 4 || math.Abs(s.Percent()) > 0.05 {
		t.Errorf("charge: %.1f B with %.2f %% unexplained, want 9616", s.Bytes, s.Percent())
	}
	if s := step(t, l, "SUnreclaim"+ZombiesPart); math.Abs(s.Percent()) > 0.3 {
		t.Errorf("SUnreclaim: %+.0f B unexplained, %.2f %%", s.Rest, s.Percent())
	}
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
	if s, ok := l.Step(StepStack); ok {
		t.Errorf("a kernel stack of %.0f B", s.Bytes)
	}
	if l.Caches[3].Use[0].Struct != "cred" || l.Caches[3].Use[1].Size != 144 {
		t.Errorf("the merged cache holds %+v", l.Caches[3].Use)
	}
}

// Each lie must be caught by the step that can tell.
func TestLiesAreCaught(t *testing.T) {
	without := func(name string) func([]results.Record) {
		return func(all []results.Record) {
			for _, r := range all {
				for i := range r.Readings {
					r.Readings[i].Caches = slices.DeleteFunc(r.Readings[i].Caches, func(c results.CacheReading) bool { return c.Name == name })
				}
			}
		}
	}
	for _, tt := range []struct {
		name string
		lie  func([]results.Record)
		want string // steps that do not add up
	}{
		{"none", func([]results.Record) {}, ""},
		{"a missing cache", without("sighand_cache"), "charged to the cgroup, SUnreclaim, zombies' part"},
		{"a small missing cache", without("pid"), "charged to the cgroup, SUnreclaim, zombies' part"},
		{"a charge for more than there is", func(all []results.Record) {
			for _, t := range all {
				add(t, "kmem-B", count(t)*64)
			}
		}, "charged to the cgroup"},
		{"pages that nobody has", func(all []results.Record) {
			for _, t := range all {
				add(t, "sunreclaim-B", count(t)*200)
			}
		}, "SUnreclaim, zombies' part"},
		{"one cache counted twice as large", func(all []results.Record) {
			for _, t := range all {
				for i := range t.Facts.Caches {
					if c := &t.Facts.Caches[i]; c.Name == "signal_cache" {
						c.Size *= 2
					}
				}
			}
		}, "charged to the cgroup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := trials(zombie())
			tt.lie(all)
			l, err := one(all)
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
	caches := append(zombie(), cache{results.Cache{Name: "files_cache", Size: 192, PerSlab: 21, SlabBytes: 4096, Charged: results.No}, 0.004})
	listed := func(all []results.Record) bool {
		l, err := one(all)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(l.Caches, func(c Cache) bool { return c.Name == "files_cache" })
	}
	if all := trials(caches); !listed(all) {
		t.Error("a cache that grew is not listed")
	}
	all := trials(caches)
	for _, r := range all {
		for i, c := range r.Readings[1].Caches {
			if r.Control && c.Name == "files_cache" { // moved as much
				r.Readings[1].Caches[i].Objects += 50
			}
		}
	}
	if listed(all) {
		t.Error("a cache that grew less than in a control is listed")
	}
}

// Processes that look at the zombies and others that fork change what grew, and
// not what a zombie holds: the truth is known here, and no trace of allocations is
// needed for it.
func TestWatchedAndBusy(t *testing.T) {
	quiet, err := one(trials(zombie()))
	if err != nil {
		t.Fatal(err)
	}
	looked := []cache{
		{results.Cache{Name: "proc_inode_cache", Size: 696, PerSlab: 23, SlabBytes: 16384, Reclaimable: true}, 0},
		{results.Cache{Name: "lsm_inode_cache", Size: 32, PerSlab: 128, SlabBytes: 4096, Charged: results.No}, 0},
		{results.Cache{Name: "vm_area_struct", Size: 192, PerSlab: 21, SlabBytes: 4096, Charged: results.No}, 0},
	}
	random := rand.New(rand.NewPCG(1, 1))
	var all []results.Record
	for range 6 {
		for _, n := range []int{0, 500, 1000, 2000, 4000} {
			caches := append(zombie(), looked...)
			looks := float64(random.IntN(9)) // files that were looked at
			for i := range caches {
				c := &caches[i]
				switch c.Name {
				case "dentry", "proc_inode_cache", "lsm_inode_cache":
					c.per = looks
				case "kmalloc-192":
					c.per += looks/21 + looks/23
				case "vm_area_struct":
					c.per = 300 * random.Float64() / float64(max(n, 1))
				case "task_struct", "sighand_cache", "signal_cache":
					c.per += float64(random.IntN(20)-10) / float64(max(n, 1))
				}
				c.Charged = results.No // the charge is the zombies'
			}
			r := trial(n, caches)
			add(r, "kmem-B", uint64(float64(n)*9616)/4096*4096)
			all = append(all, r)
		}
	}
	l, err := one(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range quiet.Caches {
		i := slices.IndexFunc(l.Caches, func(c Cache) bool { return c.Name == want.Name })
		if i < 0 || l.Caches[i].Own != want.Own || math.Abs(l.Caches[i].Vectors-want.Vectors) > 1e-9 {
			t.Errorf("%s: want %+v, got %+v", want.Name, want.Share, l.Caches[max(i, 0)])
		}
	}
	for name, percent := range map[string]float64{StepCharge: 0.1, "SUnreclaim" + ZombiesPart: 1} {
		if s := step(t, l, name); math.Abs(s.Percent()) > percent {
			t.Errorf("%+v: %.2f %% is unexplained", s, s.Percent())
		}
	}
	whose := l.Whose()
	if whose.Watchers < 2000 || whose.Zombies != quiet.Whose().Zombies || math.Abs(whose.Others) > 200 {
		t.Errorf("%+v, want the watchers' and of the zombie %v", whose, quiet.Whose().Zombies)
	}
	if raw := step(t, l, "SUnreclaim"); math.Abs(raw.Percent()) < 1 {
		t.Errorf("%+v: nobody disturbed it, and this test tests nothing", raw)
	}
}

func TestBrokenTrialsAreLeftOut(t *testing.T) {
	all := trials(zombie())
	wild := trial(3000, zombie())
	wild.Broken = "pids.current grew by 3001 and not by 3000"
	add(wild, "kmem-B", 1<<40)
	all[1].Warnings = []string{"something"}
	l, err := one(append(all, wild))
	if err != nil {
		t.Fatal(err)
	}
	if l.Trials != 12 || l.Controls != 3 || len(l.Broken) != 1 || len(l.Warnings) != 1 || slices.Contains(l.Counts, 3000) {
		t.Errorf("%d trials, %d controls, broken %q, warnings %q, counts %v", l.Trials, l.Controls, l.Broken, l.Warnings, l.Counts)
	}
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
}

func TestTooLittle(t *testing.T) {
	for name, all := range map[string][]results.Record{
		"nothing":  nil,
		"one size": {trial(0, zombie()), trial(500, zombie()), trial(500, zombie())},
	} {
		if _, err := one(all); !errors.Is(err, ErrTooLittle) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range map[string]func(*results.Record){
		"without caches":       func(r *results.Record) { r.Readings[0].Caches, r.Readings[1].Caches = nil, nil },
		"without descriptions": func(r *results.Record) { r.Facts = new(results.Facts) },
		"without readings":     func(r *results.Record) { r.Readings = nil },
	} {
		all := trials(zombie())
		spoil(&all[1])
		if _, err := one(all); !errors.Is(err, ErrTooLittle) || !strings.Contains(err.Error(), "f has no readings of slab caches; as root, zombench run memory -o FILE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Kernels without THREAD_INFO_IN_TASK keep the stack, which is charged and is
// no slab.
func TestKernelStack(t *testing.T) {
	withStack := func(bytes uint64) []results.Record {
		all := trials(zombie())
		for _, t := range all {
			add(t, "kmem-B", count(t)*bytes)
			add(t, "memfree-B", -count(t)*bytes)
		}
		return all
	}
	for _, tt := range []struct {
		name string
		in   results.Tristate
		size uint64
		want float64
		adds bool
	}{
		{"armhf", results.No, 8192, 8192, true},
		{"mips64", results.Unknown, 16384, 16384, true},
		{"no stack", "", 0, 0, true},
		{"not where thread_info is in the task", results.Yes, 8192, 0, false},
		{"no whole pages", results.No, 6000, 8192, false}, // it is none, and that shows
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := withStack(tt.size)
			for _, r := range all {
				r.Facts.Kernel.ThreadInfoInTask = tt.in
			}
			l, err := one(all)
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := l.Step(StepStack); s.Bytes != tt.want {
				t.Errorf("a stack of %.0f B, want %.0f", s.Bytes, tt.want)
			}
			if adds := len(l.Unexplained()) == 0; adds != tt.adds {
				t.Errorf("adds up: %v, want %v: %+v", adds, tt.adds, l.Unexplained())
			}
		})
	}
}

// Objects that the cgroup is not charged for leave the charge, not the pages:
// whether the file says it of the cache, or call sites do.
func TestUncharged(t *testing.T) {
	caches := zombie()
	for i := range caches {
		c := &caches[i]
		switch c.Name {
		case "kmalloc-cg-16":
			c.Name, c.Charged = "kmalloc-16", results.No
			c.Size, c.PerSlab = 96, 42 // large enough to matter
		case "kmalloc-2k":
			c.per = 0
		}
	}
	all := trials(caches)
	l, err := one(all)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Unexplained()) == 0 {
		t.Error("objects that were never charged pass for charged ones")
	}
	sites := all[0]
	sites.Trial = results.Trial{Bench: "CallSites", Params: all[0].Params, N: 16, Sites: []results.CallSite{
		{Function: "lsm_blob_alloc", Caches: []string{"kmalloc-cg-16", "kmalloc-16"}, Requested: 11, Allocated: 16, Accounted: results.No, Objects: 16},
		{Function: "copy_process", Caches: []string{"task_struct"}, Requested: 5904, Allocated: 5904, Accounted: results.Yes, Objects: 16},
	}}
	l, err = one(append(all, sites))
	if err != nil {
		t.Fatal(err)
	}
	if bad := l.Unexplained(); len(bad) > 0 {
		t.Errorf("unexplained: %+v", bad)
	}
	if l.Followed != 16 || len(l.Sites) != 2 || l.Sites[0].Function != "copy_process" || !slices.Equal(l.Sites[1].Caches, []string{"kmalloc-16"}) {
		t.Errorf("sites of %d zombies: %+v", l.Followed, l.Sites)
	}
	// Those of another way of raising say nothing.
	sites.Params = []results.Param{{Key: "spawn", Value: "clone"}}
	if l, err := one(append(all, sites)); err != nil || len(l.Sites) > 0 || len(l.Unexplained()) == 0 {
		t.Errorf("sites of clone: %+v, %v", l, err)
	}
	for _, r := range all {
		for i, c := range r.Facts.Caches {
			if c.Name == "kmalloc-16" {
				r.Facts.Caches[i].Charged = results.No
			}
		}
	}
	if l, err := one(all); err != nil || len(l.Unexplained()) > 0 {
		t.Errorf("said in the file: %+v, %v", l.Unexplained(), err)
	}
}

// Before Linux 5.14 the charge alone says which objects of general caches are not
// charged; since then a charge that is too little stays unexplained, as it does where
// no object accounts for it.
func TestUnchargedByTheCharge(t *testing.T) {
	caches := zombie()
	for i := range caches {
		if c := &caches[i]; c.Name == "kmalloc-cg-16" {
			c.Name, c.Aliases, c.Charged = "kmalloc-96", []string{"kmalloc-96"}, results.No
			c.Size, c.PerSlab = 96, 42
		}
	}
	of := func(kernel string, per float64, more uint64) *Ledger {
		for i := range caches {
			if c := &caches[i]; c.Name == "kmalloc-96" {
				c.per = per
			}
		}
		all := trials(caches)
		for i, r := range all {
			all[i].Config[0].Value = kernel
			add(r, "kmem-B", more*count(r))
		}
		l, err := one(all)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, tt := range []struct {
		per    float64
		more   uint64 // that is charged
		source string
	}{
		{1, 0, "kmalloc-96: by"},
		{2, 96 + 8, "1 of 2 in kmalloc-96: by"},
	} {
		l := of("5.10.0-30-amd64", tt.per, tt.more)
		if s := step(t, l, "objects that are not charged"); s.Bytes != 96 || !strings.HasPrefix(s.Source, tt.source) || len(l.Unexplained()) > 0 {
			t.Errorf("%v objects: %+v", tt.per, l.Steps)
		}
	}
	for kernel, more := range map[string]uint64{"5.14.0": 0, "5.10.0-30-amd64": 60} {
		if l := of(kernel, 1, more); slices.ContainsFunc(l.Caches, func(c Cache) bool { return c.Unaccounted }) {
			t.Errorf("%s, %d B more: %+v", kernel, more, l.Steps)
		}
	}
}

func TestNarrow(t *testing.T) {
	all := []results.CallSite{{Caches: []string{"other", "sighand_cache"}}, {Caches: []string{"other"}}, {Caches: []string{"a", "b", "other"}}}
	for i, s := range narrow(all, []string{"sighand_cache", "a", "b"}) {
		if got, want := strings.Join(s.Caches, " or "), []string{"sighand_cache", "other", "a or b"}[i]; got != want {
			t.Errorf("site %d: %s, want %s", i, got, want)
		}
	}
	if len(all[0].Caches) != 2 || len(narrow(nil, nil)) > 0 {
		t.Error("the records are changed")
	}
}

func TestUnaccounted(t *testing.T) {
	got := unaccounted([]results.CallSite{
		{Caches: []string{"none"}, Accounted: results.No},
		{Caches: []string{"all"}, Accounted: results.Yes},
		{Caches: []string{"some"}, Accounted: results.No},
		{Caches: []string{"some"}, Accounted: results.Yes},
		{Caches: []string{"unknown"}, Accounted: results.Unknown},
	})
	if !slices.Equal(got, []string{"none"}) {
		t.Errorf("unaccounted %q", got)
	}
	if got := unaccounted(nil); got != nil {
		t.Errorf("without a trace: %q", got)
	}
}

// A file that leaves out the caches that hardly moved gives the same ledger, but
// for these.
func TestAbsentCaches(t *testing.T) {
	all := trials(zombie())
	want, err := one(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		slack := max(4, float64(count(r))/100)
		moved := func(name string) bool { objects, _ := grown(&r, name); return math.Abs(objects) >= slack }
		before := slices.DeleteFunc(slices.Clone(r.Readings[0].Caches), func(c results.CacheReading) bool { return !moved(c.Name) })
		after := slices.DeleteFunc(slices.Clone(r.Readings[1].Caches), func(c results.CacheReading) bool { return !moved(c.Name) })
		r.Readings[0].Caches, r.Readings[1].Caches = before, after
	}
	got, err := one(all)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Caches) != len(want.Caches)-1 || slices.ContainsFunc(got.Caches, func(c Cache) bool { return c.Name == "kmalloc-2k" }) {
		t.Errorf("caches %+v", got.Caches)
	}
	for _, name := range []string{StepObjects, StepCharge, StepPages, "SUnreclaim" + ZombiesPart} {
		if a, b := step(t, got, name), step(t, want, name); math.Abs(a.Bytes-b.Bytes) > 12 || a.Exceeds() {
			t.Errorf("%s: %+v, want %+v", name, a, b)
		}
	}
}

// Files of one system and of two ways of raising give two ledgers; what cannot
// be told of one does not hide the other.
func TestSeveral(t *testing.T) {
	other := trials(zombie())
	for i := range other {
		other[i].Params = slices.Clone(other[i].Params)
		other[i].Params[len(other[i].Params)-1].Value = "clone"
	}
	all, err := New(slices.Concat(trials(zombie()), other))
	if err != nil || len(all) != 2 || all[0].Spawn() != "clone" || all[1].Spawn() != "exec" || len(all[0].Unexplained()) > 0 {
		t.Errorf("%d ledgers, %v", len(all), err)
	}
	all, err = New(slices.Concat(trials(zombie()), other[:2]))
	if !errors.Is(err, ErrTooLittle) || !strings.Contains(err.Error(), "of spawn clone: only armies of [500]") || len(all) != 1 {
		t.Errorf("%d ledgers, %v", len(all), err)
	}
}

var update = flag.Bool("update", false, "write testdata anew")

// What package report draws up its ledgers from in its tests is this kernel, as
// a file: of two ways of spawning, the second with a name of a file a zombie.
func TestFile(t *testing.T) {
	exec := trials(zombie())
	withPidfd := zombie()
	withPidfd[len(withPidfd)-2].per, withPidfd[len(withPidfd)-1].per = 1, 1
	osExec := trials(withPidfd)
	for i := range osExec {
		osExec[i].Params[len(osExec[i].Params)-1].Value = "os-exec"
	}
	osExec[4].Broken = "pids.current grew by 4001 and not by 4000"
	osExec[9].Warnings = []string{"SUnreclaim did not stand still"}
	osExec[14].Warnings = []string{"SUnreclaim did not stand still", "something else"}
	osExec[5].Warnings = []string{"SUnreclaim did not stand still"}
	sites := results.Trial{Bench: "CallSites", Params: exec[0].Params, N: 16, Values: []results.Value{{Unit: "objects/zombie", Value: 2}}, Sites: []results.CallSite{
		{Function: "copy_process", Caches: []string{"task_struct"}, Requested: 5904, Allocated: 5904, Accounted: results.Yes, Objects: 16},
		{Function: "lsm_blob_alloc", Caches: []string{"kmalloc-cg-16", "kmalloc-16"}, Requested: 11, Allocated: 16, Accounted: results.Unknown, Objects: 16},
	}}
	var got bytes.Buffer
	w := results.NewWriter(&got)
	if err := w.WriteHeader(results.Header{Config: exec[0].Config, Facts: *exec[0].Facts}); err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Concat(exec, osExec, []results.Record{{Trial: sites}}) {
		if err := w.WriteTrial(r.Trial); err != nil {
			t.Fatal(err)
		}
	}
	const path = "testdata/zombies.txt"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	set, errs := results.Load(path)
	if errs != nil {
		t.Fatal(errs)
	}
	read, err := New(set.Records)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := one(exec)
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != 2 || cmp.Diff(direct.Caches, read[0].Caches) != "" || cmp.Diff(direct.Steps, read[0].Steps) != "" || read[0].Followed != 16 {
		t.Errorf("what was read differs: %s", cmp.Diff(direct.Caches, read[0].Caches))
	}
}

// Whoever measures writes the sizes of all structs that a ledger looks for.
func TestStructsAreWritten(t *testing.T) {
	written := append(results.StructsNearby(), results.StructsOfZombies()...)
	for cache, k := range known {
		if k.structure != "" && !slices.Contains(written, k.structure) {
			t.Errorf("%s of %s is not written", k.structure, cache)
		}
	}
}
