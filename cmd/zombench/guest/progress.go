package main

import (
	"fmt"
	"io"
	"time"

	"zombench/results"
)

// lineEvery is the least time between two lines of progress: they stand among
// those of other guests.
const lineEvery = 15 * time.Second

// progress prints now and then how far this guest is.
type progress struct {
	to   io.Writer
	last time.Time // of a line
	i, n int
}

func newProgress(to io.Writer) *progress { return &progress{to: to, last: time.Now()} }

func (p *progress) Begin(i, n int, _ string) { p.i, p.n = i+1, n }

func (p *progress) Doing(string) {}

func (p *progress) End(t results.Trial) {
	if t.Broken != "" {
		fmt.Fprintf(p.to, "%d/%d trials, this one broken: %s: %s\n", p.i, p.n, t.Name(), t.Broken)
		return
	}
	if now := time.Now(); now.Sub(p.last) >= lineEvery {
		p.last = now
		fmt.Fprintf(p.to, "%d/%d trials\n", p.i, p.n)
	}
}

func (p *progress) Close() {}
