package drag

import (
	"testing"
	"time"
)

func TestTurns(t *testing.T) {
	seen := ticks{100, 110, 120, 200, 210, 300}
	for _, tt := range []struct {
		name    string
		w       window
		want    []time.Duration
		missing bool
	}{
		{"within one turn", window{130, 140}, []time.Duration{80}, false},
		{"over several turns", window{115, 205}, []time.Duration{10, 80, 10}, false},
		{"from a tick to a tick", window{110, 200}, []time.Duration{10, 80}, false},
		{"the whole record", window{100, 300}, []time.Duration{10, 10, 80, 10, 90}, false},
		{"of no length", window{150, 150}, []time.Duration{80}, false},
		{"begins before the record", window{99, 150}, nil, true},
		{"ends after the record", window{250, 301}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []time.Duration
			err := seen.turns(tt.w, func(d time.Duration) error { got = append(got, d); return nil })
			if (err != nil) != tt.missing {
				t.Fatalf("error %v", err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("turns %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("turns %v, want %v", got, tt.want)
				}
			}
		})
	}
	if err := (ticks{}).turns(window{1, 2}, nil); err == nil {
		t.Error("who saw nothing has seen a window")
	}
}

// A bystander takes a turn every 10 ns, but for one act it waits 1000 ns, and once
// in a rest 50.
func TestStalls(t *testing.T) {
	var seen ticks
	for at := int64(0); at <= 10_000; {
		seen = append(seen, at)
		switch at {
		case 1000:
			at += 1000
		case 5000:
			at += 50
		default:
			at += 10
		}
	}
	rests := []window{{3000, 3100}, {4990, 5010}, {7000, 7100}}
	for _, tt := range []struct {
		name          string
		acts          []window
		longest, tail float64
		stalled       bool
	}{
		{"an act that stalls", []window{{1100, 1200}}, 998, 998, true},
		{"most acts stall", []window{{1100, 1200}, {1300, 1400}, {8000, 8100}}, 998, 998, true},
		{"one of three acts", []window{{1100, 1200}, {6000, 6100}, {8000, 8100}}, 8, 998, false},
		{"no more than a rest", []window{{4990, 5010}}, 48, 48, false},
		{"an act that does not", []window{{8000, 8100}}, 8, 8, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := performance{tt.acts, rests}.stalls(seen, 2)
			if err != nil {
				t.Fatal(err)
			}
			if s.longest != tt.longest || s.tail != tt.tail || s.stalled() != tt.stalled || s.rest != 8 || s.noise != 48 {
				t.Errorf("%+v, stalled %v; want longest %v, tail %v, stalled %v, rest 8, noise 48", s, s.stalled(), tt.longest, tt.tail, tt.stalled)
			}
		})
	}
	if _, err := (performance{[]window{{9000, 11_000}}, rests}).stalls(seen, 0); err == nil {
		t.Error("a window that was not seen has a stall")
	}
	if _, err := (performance{[]window{{8000, 8100}}, []window{{9000, 11_000}}}).stalls(seen, 0); err == nil {
		t.Error("a rest that was not seen is taken for noise")
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		all  []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}} {
		if got := median(tt.all); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.all, got, tt.want)
		}
	}
}
