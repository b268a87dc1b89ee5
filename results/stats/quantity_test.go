package stats

import (
	"slices"
	"testing"
)

// Values have one prefix, unless that of the smallest would not suit the largest.
func TestQuantity(t *testing.T) {
	for _, tt := range []struct {
		unit   string
		values []float64
		want   []string
	}{
		{"kmem-B", []float64{9_600_000, 96_000_000}, []string{"9.155 MiB", "91.553 MiB"}},
		{"act-sec", []float64{209e-6, 7.153e-3}, []string{"209.0 µs", "7153.0 µs"}},
		{"act-sec", []float64{209e-6, 58.58e-3}, []string{"209.0 µs", "58.58 ms"}},
		{"pids", []float64{0.5, 100_000}, []string{"0.500", "100000.000"}},
		{"slab-B", []float64{0, 12}, []string{"0 B", "12 B"}},
	} {
		q := NewQuantity(tt.unit, tt.values...)
		var got []string
		for _, v := range tt.values {
			got = append(got, q.Format(v))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: %q, want %q", tt.unit, tt.values, got, tt.want)
		}
	}
}
