package bench

import (
	"fmt"
	"testing"

	"zombench/measure"
)

func TestRemedy(t *testing.T) {
	denied := fmt.Errorf("open: %w", measure.ErrNotPermitted)
	lacking := fmt.Errorf("read: %w", measure.ErrNotSupported)
	for _, tt := range []struct {
		instrument int
		err        error
		named      bool
	}{
		{slabinfo, nil, false},
		{slabinfo, denied, true},
		{shrink, denied, true},
		{shrink, lacking, false}, // no kernel option brings it
		{kmem, lacking, true},
		{pids, lacking, true},
		{pids, denied, false}, // said by package cgroup
	} {
		if got := remedy(tt.instrument, tt.err); (got != "") != tt.named {
			t.Errorf("remedy(%d, %v) = %q", tt.instrument, tt.err, got)
		}
	}
}

// Why there is no place says what helps, and what would help elsewhere must
// not stand beside it: a kernel that is told to account for memory gets no
// pids controller by it.
func TestProbeWithoutPlace(t *testing.T) {
	fs := measure.Host()
	machine, err := fs.Machine()
	if err != nil {
		t.Fatal(err)
	}
	in := Probe(fs, machine, nil, fmt.Errorf("no pids controller, do this: %w", measure.ErrNotSupported))
	for _, i := range []int{pids, kmem} {
		if got := in.List[i]; got.Err == nil || got.Remedy != "" {
			t.Errorf("%s: error %v, remedy %q; want an error and no further remedy", got.Name, got.Err, got.Remedy)
		}
	}
}

// An ordinary user is told in three lines, root of each.
func TestNotices(t *testing.T) {
	for _, tt := range []struct {
		err  error // of all but meminfo
		want int
	}{
		{nil, 0},
		{fmt.Errorf("open: %w", measure.ErrNotPermitted), 3},
		{fmt.Errorf("open: %w", measure.ErrNotSupported), numInstruments - 1},
	} {
		var in Instruments
		for i := range in.List {
			in.List[i] = Instrument{Name: fmt.Sprint("instrument", i), Units: []string{fmt.Sprint("unit", i)}}
			if i != meminfo {
				in.List[i].Err = tt.err
			}
		}
		if got := in.Notices(); len(got) != tt.want {
			t.Errorf("%v: %q", tt.err, got)
		}
	}
}
