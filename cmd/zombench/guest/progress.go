package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"zombench/results"
)

// lineEvery is the least time between two lines of progress: they stand among
// those of other guests.
const lineEvery = 15 * time.Second

// progress prints now and then how far this guest is, and at the end what took its
// time: booting, then what the trials were at.
type progress struct {
	to    io.Writer
	last  time.Time // of a line
	i, n  int
	doing string    // the first word of what it is at
	since time.Time // of that
	words []string  // what it was at, in order of appearance
	took  map[string]time.Duration
	now   func() time.Time
}

func newProgress(to io.Writer) *progress {
	p := &progress{to: to, last: time.Now(), took: make(map[string]time.Duration), now: time.Now}
	var boot float64 // seconds; proc_uptime(5)
	if b, err := os.ReadFile("/proc/uptime"); err == nil {
		fmt.Sscan(string(b), &boot)
	}
	p.since = p.now().Add(-time.Duration(boot * float64(time.Second)))
	p.Doing("booting")
	return p
}

func (p *progress) Begin(i, n int, _ string) {
	p.i, p.n = i+1, n
	p.Doing("starting")
}

// Doing ends the time of what was done before.
func (p *progress) Doing(what string) {
	now := p.now()
	if p.doing != "" {
		if _, seen := p.took[p.doing]; !seen {
			p.words = append(p.words, p.doing)
		}
		p.took[p.doing] += now.Sub(p.since)
		p.since = now
	}
	p.doing = strings.TrimRight(strings.Fields(what)[0], ":,")
}

func (p *progress) End(t results.Trial) {
	p.Doing("ending")
	if t.Broken != "" {
		fmt.Fprintf(p.to, "%d/%d trials, this one broken: %s: %s\n", p.i, p.n, t.Name(), t.Broken)
		return
	}
	if now := time.Now(); now.Sub(p.last) >= lineEvery {
		p.last = now
		fmt.Fprintf(p.to, "%d/%d trials\n", p.i, p.n)
	}
}

func (p *progress) Close() {
	p.Doing("ending")
	var parts []string
	for _, word := range p.words {
		parts = append(parts, fmt.Sprintf("%s %.1f s", word, p.took[word].Seconds()))
	}
	fmt.Fprintf(p.to, "%d trials: %s\n", p.n, strings.Join(parts, ", "))
}
