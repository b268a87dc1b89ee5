package tail

import (
	"bufio"
	"fmt"
	"testing"
)

func TestLog(t *testing.T) {
	log := new(Log)
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
