package tail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var all bytes.Buffer
	log := &Log{To: &all}
	w := bufio.NewWriter(log)
	for i := range 2000 {
		fmt.Fprintln(w, "line", i)
	}
	w.Flush()
	if got := log.LastLine(); got != "line 1999" {
		t.Errorf("last line %q", got)
	}
	if len(log.end) > size {
		t.Errorf("%d bytes kept, want at most %d", len(log.end), size)
	}
	if !strings.HasPrefix(all.String(), "line 0\n") || !strings.HasSuffix(all.String(), "line 1999\n") {
		t.Error("the log was not handed on")
	}
}

func TestLastLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"\n\n":                "",
		"first\nlast":         "last",
		"first\r\nlast\r\n\n": "last",
	} {
		log := new(Log)
		fmt.Fprint(log, text)
		if got := log.LastLine(); got != want {
			t.Errorf("%q: last line %q, want %q", text, got, want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// Whoever prints does not see that its log cannot be written.
func TestFullDisk(t *testing.T) {
	log := &Log{To: full{}}
	if n, err := fmt.Fprint(log, "out of luck"); err != nil || n != len("out of luck") || log.LastLine() != "out of luck" {
		t.Errorf("%d, %v, %q", n, err, log.LastLine())
	}
}
