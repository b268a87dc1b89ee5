package main

import (
	"strings"
	"testing"
	"time"

	"zombench/results"
)

// What took a guest's time is told at the end, and all of it.
func TestProgress(t *testing.T) {
	var out strings.Builder
	var clock time.Time
	p := newProgress(&out)
	p.now = func() time.Time { clock = clock.Add(time.Second); return clock }
	p.since, clock = time.Time{}, time.Time{}
	for i := range 2 {
		p.Begin(i, 2, "a trial")
		for _, what := range []string{"settling: before", "raising", "settling: after", "reaping, 7 zombies", "settling: reaped"} {
			p.Doing(what)
		}
		p.End(results.Trial{})
	}
	p.Close()
	if got, want := out.String(), "2 trials: booting 1.0 s, starting 2.0 s, settling 6.0 s, raising 2.0 s, reaping 2.0 s, ending 2.0 s\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
