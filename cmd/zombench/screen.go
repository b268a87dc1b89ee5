package main

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// A screen is a terminal that is drawn again and again, without flicker: what has
// not changed is written over by itself, and nothing is cleared before.
type screen struct {
	in, out *os.File
	state   *term.State
	once    sync.Once
}

// openScreen takes the terminal over until close. The keys q and Ctrl-C quit.
func openScreen(in, out *os.File, quit func()) (*screen, error) {
	s := &screen{in: in, out: out}
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
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // another screen, no cursor
	return s, nil
}

// close gives the terminal back as it was.
func (s *screen) close() {
	s.once.Do(func() {
		fmt.Fprint(s.out, "\x1b[?25h\x1b[?1049l")
		if s.state != nil {
			_ = term.Restore(int(s.in.Fd()), s.state) // nothing is left to do about it
		}
	})
}

func (s *screen) width() int {
	w, _, err := term.GetSize(int(s.out.Fd()))
	if err != nil || w < 1 {
		return 80
	}
	return w
}

func (s *screen) height() int {
	_, h, err := term.GetSize(int(s.out.Fd()))
	if err != nil || h < 1 {
		return 24
	}
	return h
}

// show draws lines, in one write.
func (s *screen) show(lines []string) error {
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
