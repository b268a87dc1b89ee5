package dress

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/measure"
)

func TestField(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"setsid", ""},
		{"setsid,groups=1000,setsid+threads,rss=64M,pending=max", ""},
		{"setsid,,userns", `unknown dress ""`},
		{"cape", `unknown dress "cape": want setsid, `},
		{"setsid+cape", `unknown dress "cape"`},
		{"groups=1/2", `unknown dress "groups=1/2"`}, // no name of a benchmark
		{"setsid,setsid", "setsid is given twice"},
	} {
		o := Field(&[]string{"before"}).Value
		err := o.Set(tt.text)
		switch {
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: error %v, want %s", tt.text, err, tt.want)
		case tt.want != "" && o.String() != "before":
			t.Errorf("%q: refused, and set to %s", tt.text, o)
		case tt.want == "" && (err != nil || o.String() != tt.text):
			t.Errorf("%q: %v, %s", tt.text, err, o)
		}
	}
}

// Each default is one that there is, and each that there is is measured.
func TestDefaults(t *testing.T) {
	var got []string
	for _, outfit := range defaults {
		d, ok := lookup(outfit)
		if !ok {
			t.Errorf("there is no dress %s", outfit)
		}
		got = append(got, d.name)
	}
	if diff := cmp.Diff(names(), got); diff != "" {
		t.Errorf("defaults (-all +got):\n%s", diff)
	}
}

func TestSetups(t *testing.T) {
	e := Experiment()
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	if len(setups) != 1+len(defaults)+2 {
		t.Fatalf("%d setups", len(setups))
	}
	for i, want := range map[int]string{
		0: "Dress/dress=naked/count=200/cpus=", 3: "Dress/dress=groups=1000/count=200/cpus=", len(setups) - 2: "Fattest/user=unprivileged/count=1",
		len(setups) - 1: "Exhaust/limit=kernel.keys.maxkeys",
	} {
		if s := setups[i]; !strings.HasPrefix(s.Name(), want) || s.Control != (i == 0) || s.About == "" {
			t.Errorf("setup %d is %s, control %v", i, s.Name(), s.Control)
		}
	}
}

// sampleOf makes a sample of a few counters.
func sampleOf(kmem, above, sunreclaim, percpu, vmalloc, dying, keys uint64) bench.Sample {
	return bench.Sample{
		Kmem: &kmem, Above: &above, Dying: &dying,
		Mem: &measure.Meminfo{SUnreclaim: sunreclaim, Percpu: &percpu, VmallocUsed: &vmalloc},
		Slab: &measure.Slabinfo{Caches: []measure.SlabLine{
			{Name: "key_jar", ActiveObjs: keys, ObjSize: 224},
		}},
	}
}

func TestDifference(t *testing.T) {
	// The machine drifts by 100 B of slab from reading to reading, and others
	// took three keys.
	naked := &army{
		before: sampleOf(1000, 2000, 0, 0, 0, 5, 10),
		after:  sampleOf(1100, 2100, 300, 0, 0, 5, 13),
		reaped: sampleOf(1000, 2000, 200, 0, 0, 5, 10),
	}
	dressed := &army{
		before: naked.reaped,
		after:  sampleOf(1500, 2900, 1300, 4000, 500, 15, 30),
		reaped: sampleOf(1000, 2000, 400, 0, 0, 5, 10),
	}
	got := make(map[string]float64)
	for _, v := range difference(&bench.Lab{}, naked, dressed, 10) {
		got[v.Unit] = v.Value
	}
	want := map[string]float64{
		unitKmem: 40, unitAbove: 40, unitSlab: 80, unitPercpu: 400, unitVmalloc: 50, unitTotal: 530, unitDying: 1, unitObjects: 2 * 224,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// What cannot be read is absent, and no zero.
func TestMissingInstruments(t *testing.T) {
	if got := difference(&bench.Lab{}, &army{}, &army{}, 10); len(got) > 0 {
		t.Errorf("values %v of nothing", got)
	}
}

func TestLeft(t *testing.T) {
	lab := &bench.Lab{Host: bench.Host{Machine: measure.Machine{CPUs: 2, PageSize: 4096}}}
	before := sampleOf(1<<20, 2<<20, 1<<20, 1<<20, 1<<20, 5, 0)
	if got := left(lab, before, before); len(got) > 0 {
		t.Errorf("%q are left of nothing", got)
	}
	now := sampleOf(1<<20+8193, 2<<20+8193, 1<<20, 2<<20, 1<<20, 5+17, 0)
	want := []string{"+8193 kmem-B", "+1048576 percpu-B", "+17 dying-cgroups"}
	if diff := cmp.Diff(want, left(lab, before, now)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if math.Abs(tolerance(lab, unitKmem)-8192) > 0 {
		t.Errorf("tolerance of kmem is %v", tolerance(lab, unitKmem))
	}
}
