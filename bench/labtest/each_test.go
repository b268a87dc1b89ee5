package labtest

import "testing"

func TestOnly(t *testing.T) {
	values := map[string]float64{"Toy/box=red/size=1": 1, "Toy/box=red/size=12": 12, "Toy/box=blue/size=3": 3}
	for _, tt := range []struct {
		part string
		want float64 // 0: an error
	}{
		{"box=blue", 3},
		{"size=12", 12},
		{"box=red", 0}, // two
		{"size=1", 0},  // two
		{"box=green", 0},
	} {
		if got, err := only(values, tt.part); got != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: %v, %v; want %v", tt.part, got, err, tt.want)
		}
	}
}
