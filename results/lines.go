package results

import (
	"bufio"
	"bytes"
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
	interned map[string]string // names in readings, of which there are few
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
	text := func(mark string) (string, bool) {
		rest, ok := bytes.CutPrefix(body, []byte(mark))
		return string(rest), ok
	}
	if s, ok := text(noisyMark); ok {
		n := l.wait()
		n.warnings = append(n.warnings, oneReason(s))
		return nil
	}
	if s, ok := text(endsMark); ok {
		ends, err := parseEnds(s)
		if err == nil && l.pending.ends.Known {
			err = fmt.Errorf("second ends of one trial")
		}
		if err == nil {
			l.wait().ends = ends
		}
		return err
	}
	if s, ok := text(siteMark); ok {
		site, ok, err := parseSite(s)
		if ok {
			n := l.wait()
			n.sites = append(n.sites, site)
		}
		return err
	}
	if s, ok := text(watcherMark); ok {
		watcher, ok, err := parseWatcher(s)
		if ok {
			n := l.wait()
			n.watchers = append(n.watchers, watcher)
		}
		return err
	}
	if s, ok := text(kernelMark); ok {
		k, ok, err := parseKernel(s)
		if ok {
			l.facts = l.facts.withKernel(k)
		}
		return err
	}
	if s, ok := text(cacheMark); ok {
		c, ok, err := parseCache(s)
		if ok {
			l.facts = l.facts.withCache(c)
		}
		return err
	}
	if s, ok := text(aboutMark); ok {
		if m, ok := parseMeaning(s); ok {
			l.facts = l.facts.withMeaning(m, false)
		}
		return nil
	}
	if s, ok := text(unitMark); ok {
		if m, ok := parseMeaning(s); ok {
			m.Name = renamed(m.Name)
			l.facts = l.facts.withMeaning(m, true)
		}
		return nil
	}
	if s, ok := text("# "); ok {
		r, ok, err := parseReading(s, l.intern)
		if ok {
			n := l.wait()
			n.readings = append(n.readings, r)
		}
		return err
	}
	return nil
}

func (l *lines) intern(s string) string {
	if kept, ok := l.interned[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	l.interned[s] = s
	return s
}

// parseEnds parses `signals=0 exited=500 killed=0 dumped=0`.
func parseEnds(s string) (Ends, error) {
	e := Ends{Known: true}
	var p pairs
	for f := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(f, "=")
		p = append(p, [2]string{key, value})
	}
	err := p.parse(map[string]func(string) error{
		"signals": into(&e.Signals), "exited": into(&e.Exited), "killed": into(&e.Killed), "dumped": into(&e.Dumped)})
	if err != nil {
		return Ends{}, fmt.Errorf("ends: %w", err)
	}
	return e, nil
}
