package kernels

import (
	"io"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var b strings.Builder
	l := newLog(&b, 2)
	one, two := l.lines("one"), l.lines("two")
	io.WriteString(one, "zombench: half ")
	io.WriteString(two, "a\x1b[2Jb\n1/2\ttrials\nno end")
	io.WriteString(one, "a line\n")
	l.ended("one", 0, "")
	l.ended("two", 0, ", failed")
	want := []string{
		"two: a\uFFFD[2Jb", "two: 1/2 trials", "one: half a line",
		"one: 1/2 kernels, 0s elapsed, 0s remaining; this one took 0s",
		"two: 2/2 kernels, 0s elapsed, 0s remaining; this one took 0s, failed",
	}
	if got := strings.TrimSpace(b.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
