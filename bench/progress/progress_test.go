package progress

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

func TestRemaining(t *testing.T) {
	for _, tt := range []struct {
		elapsed time.Duration
		done, n int
		want    string
	}{
		{time.Second, 0, 10, "?"}, // nobody knows yet
		{4 * time.Second, 2, 10, "16s"},
		{20 * time.Second, 10, 10, "0s"},
		{100 * time.Second, 1, 61, "1h40m0s"},
	} {
		if got := remaining(tt.elapsed, tt.done, tt.n); got != tt.want {
			t.Errorf("remaining(%v, %d, %d) = %s, want %s", tt.elapsed, tt.done, tt.n, got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := &lines{to: &out, now: func() time.Time { return now }}
	for i := range 3 {
		l.Begin(i, 3, "Control/parallel=1/spawn=exec")
		l.Doing("settling") // too soon to be worth a line
		now = now.Add(4 * time.Second)
		l.End(results.Trial{Broken: map[int]string{1: "boom"}[i]})
	}
	const want = `0/3 trials
2/3 broken: Control/parallel=1/spawn=exec: boom
2/3 trials, 8s elapsed, 4s remaining
3/3 trials, 12s elapsed, 0s remaining
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
