// Package tail keeps the end of what a program prints, to quote it when the
// program has failed. In flows output of any length, out flow its last lines. It is
// not for keeping all of it: that is a file's job.
package tail

import (
	"bytes"
	"strings"
	"sync"
)

// size is how much is kept, in bytes.
const size = 4096

// A Log keeps the end of what is written to it. The zero value is ready, and its
// methods are safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	end []byte
}

// Write never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, p...)
	if n := len(l.end) - size; n > 0 {
		l.end = append(l.end[:0], l.end[n:]...)
	}
	return len(p), nil
}

// Lines returns the last lines, without what is blank around them.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(string(bytes.TrimSpace(l.end)), "\n")
}

// LastLine returns the last line that is not empty, "" if nothing was written.
func (l *Log) LastLine() string {
	lines := l.Lines()
	return strings.TrimSpace(lines[len(lines)-1])
}
