package kernels

import (
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"zombench/bench/vm"
)

// A step is found wherever it is, in few looks; also where two images were swapped, or
// that is said: the guest sends the release that it booted.
func TestBisect(t *testing.T) {
	for n := 2; n <= 70; n++ {
		most := bits.Len(uint(n-1)) + 2 // ceil(log2 n) + 2
		for step := 1; step < n; step++ {
			value := func(i int) float64 {
				if i < step {
					return 12096
				}
				return 12687 + float64(i%3) // of noise
			}
			before, after, looks, err := Bisect(n, func(i int) (float64, error) { return value(i), nil })
			if err != nil || before.Kernel != step-1 || after.Kernel != step || len(looks) > most || len(Steps(looks)) != 1 {
				t.Fatalf("step at %d of %d: %v and %v after %d looks: %v", step, n, before, after, len(looks), err)
			}
			for a := range n {
				b := (a + step) % n
				booted := func(i int) int {
					switch i {
					case a:
						return b
					case b:
						return a
					}
					return i
				}
				before, after, looks, err := Bisect(n, func(i int) (float64, error) {
					if booted(i) != i {
						return 0, &StrangerError{fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(booted(i))}
					}
					return value(i), nil
				})
				_, said := errors.AsType[*StrangerError](err)
				if !said && (err != nil || before.Kernel != step-1 || after.Kernel != step) || len(looks) > most {
					t.Fatalf("step at %d of %d with %d and %d swapped: %v and %v after %d looks: %v", step, n, a, b, before, after, len(looks), err)
				}
			}
		}
	}
}

func TestBisectOfOthers(t *testing.T) {
	broken := fmt.Errorf("k: %w", vm.ErrFailed)
	stop := errors.New("interrupted")
	for _, tt := range []struct {
		name    string
		values  []float64 // below 0: does not boot; 0: interrupted
		want    string
		steps   int
		wantErr string
	}{
		{"two steps", []float64{10, 10, 10, 10, 14, 14, 20, 20}, "5 6", 2, ""},
		{"one that does not boot", []float64{10, 10, 10, -1, 10, 20, 20}, "4 5", 1, ""},
		{"none between boots", []float64{10, -1, -1, 20}, "0 3", 1, ""},
		{"no step", []float64{12096, 1, 12100}, "", 0, "there is no step to be found: the oldest kernel has 12096 B a zombie and the newest 12100 B"},
		{"an end does not boot", []float64{10, 10, -1}, "", 0, broken.Error()},
		{"interrupted", []float64{10, 0, 20}, "", 0, "interrupted"},
		{"alone", []float64{10}, "", 0, "a series has at least two kernels"},
	} {
		before, after, looks, err := Bisect(len(tt.values), func(i int) (float64, error) {
			switch v := tt.values[i]; {
			case v < 0:
				return 0, broken
			case v == 0:
				return 0, stop
			default:
				return v, nil
			}
		})
		if tt.wantErr != "" {
			if err == nil || err.Error() != tt.wantErr {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if got := fmt.Sprint(before.Kernel, " ", after.Kernel); err != nil || got != tt.want || len(Steps(looks)) != tt.steps {
			t.Errorf("%s: between %s, %v, %v", tt.name, got, Steps(looks), err)
		}
	}
}
