package bench

import (
	"testing"

	"zombench/measure"
)

// lab is a lab of two CPUs and nothing else.
func lab() *Lab { return &Lab{Host: Host{Machine: measure.Machine{CPUs: 2, PageSize: 4096}}} }

// cgroupSample is a sample of the cgroup alone.
func cgroupSample(pids, kmem uint64) Sample { return Sample{Pids: &pids, Kmem: &kmem} }

func TestReturned(t *testing.T) {
	before := cgroupSample(10, 1_000_000)
	for _, tt := range []struct {
		name   string
		reaped Sample
		want   string
	}{
		{"all", before, ""},
		{"kmem at the tolerance", cgroupSample(10, 1_008_192), ""},
		{"kmem below by the tolerance", cgroupSample(10, 991_808), ""},
		{"kmem leaks", cgroupSample(10, 1_008_193),
			"kernel memory changed by +8193 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"kmem went below", cgroupSample(10, 900_000),
			"kernel memory changed by -100000 B over the whole trial, which is more than 8192 B: a kernel leak, or a foreign process in the cgroup"},
		{"a pid more", cgroupSample(11, 1_000_000), "pids.current is 11 after the reap and was 10 before the army"},
		{"a pid less", cgroupSample(9, 1_000_000), "pids.current is 9 after the reap and was 10 before the army"},
	} {
		if got := lab().Returned(before, tt.reaped); got != tt.want {
			t.Errorf("%s: %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if got := lab().Returned(Sample{}, Sample{}); got != "" {
		t.Errorf("without a cgroup: %q", got)
	}
}

func TestKmemTolerance(t *testing.T) {
	for _, tt := range []struct {
		cpus, page int
		batched    bool
		want       uint64
	}{
		{1, 4096, false, 2 * 4096}, // two pages were seen on one CPU
		{2, 4096, false, 2 * 4096},
		{8, 4096, false, 8 * 4096},
		{4, 65536, false, 4 * 65536},
		{4, 4096, true, 2 * 32 * 4 * 4096},
	} {
		l := &Lab{Host: Host{Machine: measure.Machine{CPUs: tt.cpus, PageSize: tt.page}, Instruments: Instruments{batched: tt.batched}}}
		if got := l.KmemTolerance(); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

func TestReadingsMayGoDown(t *testing.T) {
	if got := Delta(10, 3); got != -7 {
		t.Errorf("Delta(10, 3) = %v, want -7", got)
	}
	if a, b := distance(10, 3), distance(3, 10); a != 7 || b != 7 {
		t.Errorf("distances %d and %d, want 7", a, b)
	}
	was, is := uint64(10), uint64(3)
	if got, ok := Change(&was, &is); got != -7 || !ok {
		t.Errorf("Change = %v, %v; want -7", got, ok)
	}
	for _, missing := range [][2]*uint64{{nil, &is}, {&was, nil}, {nil, nil}} {
		if got, ok := Change(missing[0], missing[1]); got != 0 || ok {
			t.Errorf("of a reading that was not taken: %v, %v", got, ok)
		}
	}
}
