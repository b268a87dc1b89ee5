package kernels

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"zombench/results"
)

// A log tells a person how several guests proceed: whole lines, each with the
// name of its kernel before it.
type log struct {
	w     io.Writer
	start time.Time
	of    int // kernels

	mu   sync.Mutex
	over int // kernels that were measured or failed
}

func newLog(w io.Writer, kernels int) *log { return &log{w: w, start: time.Now(), of: kernels} }

func (l *log) line(name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%s: %s\n", name, text)
}

// ended tells of a kernel that was measured or failed.
func (l *log) ended(name string, took time.Duration, note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over++
	elapsed := time.Since(l.start)
	left := time.Duration(l.of-l.over) * elapsed / time.Duration(l.over)
	fmt.Fprintf(l.w, "%s: %d/%d kernels, %v elapsed, %v remaining; this one took %v%s\n",
		name, l.over, l.of, elapsed.Round(time.Second), left.Round(time.Second), took.Round(time.Second), note)
}

// lines returns a writer of whole lines of a guest.
func (l *log) lines(name string) io.Writer { return &lineWriter{log: l, name: name} }

type lineWriter struct {
	log  *log
	name string
	part []byte // of a line whose end has not come yet
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.log.line(w.name, strings.TrimPrefix(results.Printable(string(line)), "zombench: "))
		w.part = rest
	}
}
