package measure

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zombench/measure/measuretest"
)

func TestPidsOfKernels(t *testing.T) {
	for _, tt := range []struct {
		kernel  string
		current uint64
		peak    bool // Linux 6.1
	}{
		{"amd64-5.10", 204, false},
		{"amd64-6.1", 203, true},
		{"amd64-7.3", 203, true},
		{"armhf-5.10", 204, false},
		{"mips64el-6.1", 204, true},
		{"ppc64el-7.2-64k", 203, true},
	} {
		p := Pids{Dir: army(tt.kernel, "after")}
		if n, err := p.Current(); err != nil || n != tt.current {
			t.Errorf("%s: current %d, %v; want %d", tt.kernel, n, err, tt.current)
		}
		if _, unlimited, err := p.Max(); err != nil || !unlimited {
			t.Errorf("%s: max %v, %v", tt.kernel, unlimited, err)
		}
		if n, err := p.EventsMax(); err != nil || n != 0 {
			t.Errorf("%s: events %d, %v", tt.kernel, n, err)
		}
		n, err := p.Peak()
		if tt.peak && (err != nil || n < tt.current) {
			t.Errorf("%s: peak %d, %v", tt.kernel, n, err)
		}
		if !tt.peak && !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s: peak %d, %v; want ErrNotSupported", tt.kernel, n, err)
		}
	}
}

func TestPids(t *testing.T) {
	p := Pids{Dir: t.TempDir()}
	measuretest.Put(t, p.Dir, map[string]string{"pids.max": "5000\n", "pids.events": "other 1\nmax 17\n", "pids.current": "x\n"})
	if n, unlimited, err := p.Max(); n != 5000 || unlimited || err != nil {
		t.Error(n, unlimited, err)
	}
	if n, err := p.EventsMax(); n != 17 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Current(); !errors.Is(err, ErrMalformed) {
		t.Error(n, err)
	}
	measuretest.Put(t, p.Dir, map[string]string{"pids.events": "forks 3\n"})
	if n, err := p.EventsMax(); !errors.Is(err, ErrMalformed) {
		t.Error(n, err)
	}
	gone := Pids{Dir: filepath.Join(p.Dir, "removed")}
	if _, err := gone.Current(); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
}
