// Package progress shows a person how a run proceeds. In flow the trials as the
// Runner begins and ends them; out flows a bar on a terminal, or plain lines. It is
// not for what was measured: that is in the results.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"zombench/bench"
	"zombench/results"
)

// New returns what shows how a run proceeds: a bar on a terminal, one plain line
// every few seconds elsewhere. When quiet it is nil, of which a Runner tells nobody.
func New(w io.Writer, quiet bool) bench.Progress {
	switch {
	case quiet:
		return nil
	case IsTerminal(w):
		return &bar{to: w}
	default:
		return &lines{to: w, now: time.Now}
	}
}

// IsTerminal reports whether a bar can be drawn: on a terminal that says how wide
// it is. A serial line, or a pty that nobody has given a size, says 0.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || !cwriter.IsTerminal(int(f.Fd())) {
		return false
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	return err == nil && width > 0
}

// lineEvery is the least time between two lines of progress.
const lineEvery = 5 * time.Second

// lines prints plain lines.
type lines struct {
	to          io.Writer
	now         func() time.Time
	start, last time.Time
	i, n        int
	name        string
}

func (l *lines) Begin(i, n int, name string) {
	if i == 0 {
		l.start = l.now()
		l.last = l.start
		fmt.Fprintf(l.to, "0/%d trials\n", n)
	}
	l.i, l.n, l.name = i, n, name
}

// Doing prints what a long trial is at.
func (l *lines) Doing(what string) {
	if now := l.now(); now.Sub(l.last) >= lineEvery {
		l.last = now
		fmt.Fprintf(l.to, "%d/%d trials, %v elapsed, %s: %s\n", l.i, l.n, now.Sub(l.start).Round(time.Second), l.name, what)
	}
}

func (l *lines) End(t results.Trial) {
	done := l.i + 1
	if t.Broken != "" {
		fmt.Fprintf(l.to, "%d/%d broken: %s: %s\n", done, l.n, l.name, t.Broken)
	}
	now := l.now()
	if done < l.n && now.Sub(l.last) < lineEvery {
		return
	}
	l.last = now
	elapsed := now.Sub(l.start)
	fmt.Fprintf(l.to, "%d/%d trials, %v elapsed, %s remaining\n", done, l.n, elapsed.Round(time.Second), remaining(elapsed, done, l.n))
}

// remaining says how long the rest of n trials will take if it takes as long
// as those that are done.
func remaining(elapsed time.Duration, done, n int) string {
	if done == 0 {
		return "?"
	}
	return (elapsed / time.Duration(done) * time.Duration(n-done)).Round(time.Second).String()
}

func (l *lines) Close() {}

// bar draws a bar on a terminal.
type bar struct {
	to    io.Writer
	group *mpb.Progress // nil until the first trial
	bar   *mpb.Bar
	start time.Time
	state atomic.Pointer[string] // what it is at: the drawing goroutine reads it
	name  string
}

func (b *bar) Begin(i, n int, name string) {
	b.name = name
	b.Doing("")
	if b.group != nil {
		return
	}
	b.start = time.Now()
	b.group = mpb.New(mpb.WithOutput(b.to), mpb.WithWidth(40))
	b.bar = b.group.AddBar(int64(n),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d trials ")),
		mpb.AppendDecorators(
			decor.Elapsed(decor.ET_STYLE_GO),
			decor.OnComplete(decor.Name(" elapsed, "), " elapsed"),
			decor.OnComplete(decor.Any(func(s decor.Statistics) string {
				return remaining(time.Since(b.start), int(s.Current), n) + " remaining  " + *b.state.Load()
			}), ""),
		))
}

func (b *bar) Doing(what string) {
	state := b.name + " " + what
	b.state.Store(&state)
}

func (b *bar) End(results.Trial) { b.bar.Increment() }

func (b *bar) Close() {
	if b.group == nil {
		return
	}
	b.bar.Abort(false) // of no effect when it is complete
	b.group.Wait()
}
