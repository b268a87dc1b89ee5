package bench

import (
	"testing"
	"time"
)

func TestClocksDiffer(t *testing.T) {
	for _, tt := range []struct {
		spawn, took time.Duration
		want        bool
	}{
		{990 * time.Millisecond, time.Second, false},
		{10 * time.Millisecond, 200 * time.Millisecond, false}, // the answer was late
		{800 * time.Millisecond, time.Second, false},
		{500 * time.Millisecond, time.Second, true}, // slow
		{1100 * time.Millisecond, time.Second, true},
		{-time.Hour, time.Second, true},
	} {
		if got := clocksDiffer(tt.spawn, tt.took); got != tt.want {
			t.Errorf("clocksDiffer(%v, %v) = %v", tt.spawn, tt.took, got)
		}
	}
}
