package results

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A note is what the comments say about one line.
type note struct {
	line      int
	err       string // a comment that begins like a note but is none
	rewritten bool   // a comment that became a benchmark line
	control   bool
	broken    string
	warnings  []string
	ends      Ends
	readings  []Reading
	sites     []CallSite
	watchers  []Watcher
}

// needsTrial reports whether a note is an error without a trial. Readings alone
// are none: any comment may look like one.
func (n note) needsTrial() bool {
	return n.err != "" || len(n.warnings)+len(n.sites)+len(n.watchers) > 0 || n.ends.Known
}

// lineEnd is put behind every rewritten line, and its value taken off again: a
// trial that broke early has no values, which benchfmt would not take.
const lineEnd = " 1 end"

// brokenControl stands between the reason and the line of a broken control, unless
// its name says it.
const brokenControl = "control "

// lines hands a result file to benchfmt, line for line, commented benchmark
// lines as plain ones, and keeps what the other comments say. It reads no
// further than benchfmt asks for: after a result, facts are those up to its line.
type lines struct {
	src  *bufio.Reader
	buf  []byte
	out  []byte // not yet handed on
	err  error
	line int
	long bool // the rest of a line longer than src's buffer follows

	pending  note   // comments that wait for their trial
	notes    []note // by ascending line, until taken
	facts    *Facts
	inHeader bool              // no result since the header began
	forms    []mark            // of comments
	interned map[string]string // names in readings, of which there are few
}

func newLines(src *bufio.Reader, interned map[string]string) *lines {
	l := &lines{src: src, facts: new(Facts), inHeader: true, interned: interned}
	l.forms = l.allForms()
	return l
}

func (l *lines) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		l.fill()
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

func (l *lines) fill() {
	chunk, err := l.src.ReadSlice('\n')
	full := err == bufio.ErrBufferFull
	if full {
		err = nil
	}
	l.err = err
	if l.long || full {
		// Too long for benchfmt as well: it will say so.
		if !l.long {
			l.line++
		}
		l.out, l.long = chunk, full
		return
	}
	if len(chunk) > 0 {
		l.line++
		body := bytes.TrimRight(chunk, "\r\n")
		l.buf = append(append(l.buf[:0], l.rewrite(body)...), '\n')
		l.out = l.buf
	}
	if err != nil {
		l.orphan()
	}
}

// take removes and returns the first note if it stands on a line that want takes.
func (l *lines) take(want func(line int) bool) (note, bool) {
	if len(l.notes) == 0 || !want(l.notes[0].line) {
		return note{}, false
	}
	n := l.notes[0]
	l.notes = l.notes[1:]
	return n, true
}

// fail notes that the current line is malformed.
func (l *lines) fail(err error) {
	l.orphan()
	l.notes = append(l.notes, note{line: l.line, err: err.Error()})
}

// orphan ends the waiting for a trial, and reports what needed one.
func (l *lines) orphan() {
	if l.pending.needsTrial() {
		l.notes = append(l.notes, l.pending)
	}
	l.pending = note{}
}

// attach gives what waits, and n, to the current line.
func (l *lines) attach(n note) {
	waited := l.pending.line > 0
	rewritten, control, broken := n.rewritten, n.control, n.broken
	n = l.pending
	n.line, n.rewritten, n.control, n.broken = l.line, rewritten, control, broken
	if waited || n.rewritten {
		l.notes = append(l.notes, n)
	}
	l.pending = note{}
	l.inHeader = false
}

// wait remembers where what waits for its trial began.
func (l *lines) wait() *note {
	if l.pending.line == 0 {
		l.pending.line = l.line
	}
	return &l.pending
}

// rewrite returns the line that benchfmt shall see; it may be body itself.
func (l *lines) rewrite(body []byte) []byte {
	switch {
	case bytes.HasPrefix(body, []byte("Benchmark")):
		l.attach(note{})
		return body
	case len(body) > 0 && body[0] == '#':
		return l.comment(body)
	}
	l.orphan()
	if len(body) > 0 {
		l.header()
	}
	if rest, ok := bytes.CutPrefix(body, []byte("Unit ")); ok {
		name, _, _ := bytes.Cut(rest, []byte(" "))
		if now := renamed(string(name)); now != string(name) {
			return []byte("Unit " + now + string(rest[len(name):]))
		}
	}
	return body
}

// comment keeps what a comment says, and returns the line that benchfmt shall
// see: a benchmark line if it hides one.
func (l *lines) comment(body []byte) []byte {
	if bench, ok := bytes.CutPrefix(body, []byte(controlMark)); ok && bytes.HasPrefix(bench, []byte("Benchmark")) {
		l.attach(note{rewritten: true, control: true})
		return []byte(string(bench) + lineEnd)
	}
	if rest, ok := bytes.CutPrefix(body, []byte(brokenMark)); ok {
		return l.broken(" " + string(rest))
	}
	if err := l.keep(body); err != nil {
		l.fail(err)
		return []byte("#")
	}
	return body
}

// broken cuts `REASON: BenchmarkX 1 1 x` at the last colon: a reason may hold
// anything, a benchmark line has no colon before a space.
func (l *lines) broken(rest string) []byte {
	const plain, control = ": Benchmark", ": " + brokenControl + "Benchmark"
	n := note{rewritten: true}
	i, j := strings.LastIndex(rest, plain), strings.LastIndex(rest, control)
	switch {
	case j > i:
		n.broken, n.control = oneReason(rest[:j]), true
		rest = rest[j+len(": "+brokenControl):]
	case i >= 0:
		n.broken = oneReason(rest[:i])
		rest = rest[i+len(": "):]
	default:
		l.fail(fmt.Errorf("broken trial without reason or benchmark line"))
		return []byte("#")
	}
	l.attach(n)
	return []byte(rest + lineEnd)
}

// keep keeps what a comment says of the next trial, or of the file.
func (l *lines) keep(body []byte) error {
	for _, f := range l.forms {
		if text, ok := bytes.CutPrefix(body, []byte(f.mark)); ok {
			return f.keep(string(text))
		}
	}
	return nil
}

// A mark is what a comment of a fixed form begins with, and what is done with the
// rest of it.
type mark struct {
	mark string
	keep func(text string) error
}

// forms are all there are; readings, which have no mark of their own, come last.
func (l *lines) allForms() []mark {
	return []mark{
		{noisyMark, func(text string) error {
			n := l.wait()
			n.warnings = append(n.warnings, oneReason(text))
			return nil
		}},
		{endsMark, l.keepEnds},
		{siteMark, func(text string) error {
			return kept(l, text, "site", func(n *note, s CallSite) { n.sites = append(n.sites, s) })
		}},
		{watcherMark, func(text string) error {
			return kept(l, text, "watcher", func(n *note, w Watcher) { n.watchers = append(n.watchers, w) })
		}},
		{cacheMark, func(text string) error {
			c, ok, err := readForm[Cache]("cache", text)
			if ok {
				l.facts.describe(c)
			}
			return err
		}},
		{kernelMark, func(text string) error {
			k, ok, err := readKernel(text)
			if ok {
				l.header().Kernel = k
			}
			return err
		}},
		{aboutMark, func(text string) error {
			if m, ok := readMeaning(text); ok {
				f := l.header()
				f.About = append(f.About, m)
			}
			return nil
		}},
		{unitMark, func(text string) error {
			if m, ok := readMeaning(text); ok {
				f := l.header()
				f.Meanings = append(f.Meanings, m)
			}
			return nil
		}},
		{"# ", func(text string) error {
			r, ok, err := parseReading(text, l.intern)
			if ok {
				n := l.wait()
				n.readings = append(n.readings, r)
			}
			return err
		}},
	}
}

// kept reads a form, and adds it to what waits for its trial.
func kept[T any, F interface {
	*T
	form
}](l *lines, text, what string, add func(*note, T)) error {
	v, ok, err := readForm[T, F](what, text)
	if ok {
		add(l.wait(), v)
	}
	return err
}

func (l *lines) keepEnds(text string) error {
	e := Ends{Known: true}
	if err := readFields(text, e.fields()); err != nil {
		return fmt.Errorf("ends: %w", err)
	}
	if l.pending.ends.Known {
		return errors.New("second ends of one trial")
	}
	l.wait().ends = e
	return nil
}

// header returns the facts that a line of a header adds to. A header behind
// results begins a part of the file of which other facts hold.
func (l *lines) header() *Facts {
	if !l.inHeader {
		l.facts, l.inHeader = new(Facts), true
	}
	return l.facts
}

func (l *lines) intern(s string) string {
	if kept, ok := l.interned[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	l.interned[s] = s
	return s
}
