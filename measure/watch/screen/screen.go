// Package screen draws lines on a terminal again and again, and waits for the key
// that ends it.
//
// It is not for what the lines say.
package screen

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// A Screen is a terminal that is drawn again and again, without flicker: what has
// not changed is written over by itself, and nothing is cleared before.
type Screen struct {
	in, out *os.File
	state   *term.State
	once    sync.Once
}

// Open takes the terminal over until Close. The keys q and Ctrl-C quit.
func Open(in, out *os.File, quit func()) (*Screen, error) {
	s := &Screen{in: in, out: out}
	if term.IsTerminal(int(in.Fd())) {
		var err error
		if s.state, err = term.MakeRaw(int(in.Fd())); err != nil {
			return nil, fmt.Errorf("reading keys: %w", err)
		}
		go func() {
			key := make([]byte, 1)
			for {
				if n, err := in.Read(key); err != nil || n == 1 && strings.ContainsRune("qQ\x03\x04", rune(key[0])) {
					quit()
					return
				}
			}
		}()
	}
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // another Screen, no cursor
	return s, nil
}

// Close gives the terminal back as it was.
func (s *Screen) Close() {
	s.once.Do(func() {
		fmt.Fprint(s.out, "\x1b[?25h\x1b[?1049l")
		if s.state != nil {
			_ = term.Restore(int(s.in.Fd()), s.state) // nothing is left to do about it
		}
	})
}

// Size returns how many columns and lines there are.
func (s *Screen) Size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}

// Show draws lines, in one write.
func (s *Screen) Show(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line)
		b.WriteString("\x1b[K") // the rest of what stood there
	}
	b.WriteString("\x1b[J")
	_, err := s.out.WriteString(b.String())
	return err
}
