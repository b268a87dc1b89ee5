package measure

import (
	"errors"
	"testing"
	"time"

	"zombench/measure/measuretest"
)

func TestUptime(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	for text, want := range map[string]time.Duration{"12.5 20.00\n": 12500 * time.Millisecond, "x": -1, "": -1, "-1 0": -1, "NaN 0": -1} {
		measuretest.Put(t, fs.Proc, map[string]string{"uptime": text})
		got, err := fs.Uptime()
		if want < 0 {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		} else if got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
