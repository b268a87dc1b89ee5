package host

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0 s"}, {999 * time.Millisecond, "0 s"}, {59 * time.Second, "59 s"}, {time.Minute, "1 min 0 s"},
		{59*time.Minute + 59*time.Second, "59 min 59 s"}, {25 * time.Hour, "1 d 1 h"}, {90 * time.Minute, "1 h 30 min"},
		{8766 * time.Hour, "1 y 0 d"}, {400 * day, "1 y 34 d"}, {100 * 8766 * time.Hour, "100 years"}, {math.MaxInt64, "292 years"},
	} {
		if got := Duration(tt.d, true); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.d, got, tt.want)
		}
	}
	if got := Duration(0, false); got != "more than 292 years" {
		t.Error(got)
	}
}
