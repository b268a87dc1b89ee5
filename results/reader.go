package results

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// A Reader reads result files: the Go benchmark format, and the comments in
// which this package keeps controls, broken trials, ledgers and notes.
//
//	r := results.NewReader(f, name)
//	for r.Scan() {
//		rec, err := r.Record()
//		...
//	}
//	err := r.Err()
//
// Parsing is benchfmt's. Between the file and benchfmt stands a reader that
// turns commented benchmark lines into plain ones, line for line, and remembers
// by line number what they were.
type Reader struct {
	name  string
	src   *bufio.Reader
	bench *benchfmt.Reader
	lines *lines
	next  benchfmt.Record // read, but notes of earlier lines come first

	rec    Record
	recErr error
	err    error
	done   bool
	some   bool // at least one record

	config []Param            // of the latest record
	params map[string][]Param // by benchmark name: armies of lines share a few names
	bases  map[string]string
}

// NewReader returns a Reader of r; name is for records and errors.
func NewReader(r io.Reader, name string) *Reader {
	rd := &Reader{bench: new(benchfmt.Reader)}
	rd.Reset(r, name)
	return rd
}

// Reset begins with the next file. Unit metadata carries over, so that files
// which contradict each other are found out; configuration does not.
func (r *Reader) Reset(src io.Reader, name string) {
	*r = Reader{name: name, bench: r.bench, params: r.params, bases: r.bases, src: r.src}
	if r.src == nil {
		r.params, r.bases = make(map[string][]Param), make(map[string]string)
		r.src = bufio.NewReaderSize(nil, bufio.MaxScanTokenSize)
	}
	r.src.Reset(src)
	r.lines = &lines{src: r.src}
	r.bench.Reset(r.lines, name)
}

// Scan goes to the next record or syntax error and tells whether there is one.
func (r *Reader) Scan() bool {
	r.rec, r.recErr = Record{}, nil
	for !r.done {
		line := math.MaxInt // at the end everything left is earlier
		if r.next == nil && r.bench.Scan() {
			r.next = r.bench.Result()
		}
		if r.next != nil {
			_, line = r.next.Pos()
		}
		if n, ok := r.lines.take(func(at int) bool { return at < line }); ok {
			if n.err == "" {
				n.err = "note belongs to no result line"
			}
			r.recErr = r.syntax(n.line, n.err)
			return true
		}
		if r.next == nil {
			r.done = true
			break
		}
		next := r.next
		r.next = nil
		switch next := next.(type) {
		case *benchfmt.SyntaxError:
			r.lines.take(func(at int) bool { return at == line })
			r.recErr = next
			return true
		case *benchfmt.Result:
			n, _ := r.lines.take(func(at int) bool { return at == line })
			r.rec, r.recErr = r.record(next, n, line)
			r.some = r.some || r.recErr == nil
			return true
		}
	}
	if err := r.bench.Err(); err != nil {
		r.err = err
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			r.err = path // names the file itself
		}
	} else if !r.some {
		r.err = fmt.Errorf("%s: %w", r.name, ErrNoResults)
	}
	return false
}

// Record returns what Scan found: a record, or a *benchfmt.SyntaxError that
// names file and line. After an error reading goes on with the next line.
func (r *Reader) Record() (Record, error) { return r.rec, r.recErr }

// Err returns, after Scan was false, why reading stopped before the end of the
// file, or ErrNoResults if it held none, both with the file's name.
func (r *Reader) Err() error { return r.err }

// Units returns the unit metadata of all files read so far.
func (r *Reader) Units() benchfmt.UnitMetadataMap { return r.bench.Units() }

func (r *Reader) syntax(line int, msg string) error {
	return &benchfmt.SyntaxError{FileName: r.name, Line: line, Msg: msg}
}

// record copies res, which benchfmt will overwrite.
func (r *Reader) record(res *benchfmt.Result, n note, line int) (Record, error) {
	if n.err != "" {
		return Record{}, r.syntax(line, n.err)
	}
	rec := Record{File: r.name, Line: line, Config: r.configOf(res)}
	rec.Bench, rec.Params = r.nameOf(res.Name)
	rec.N, rec.Broken, rec.Noisy, rec.Ends = res.Iters, n.broken, n.noisy, n.ends

	values := res.Values
	if n.rewritten {
		values = values[:len(values)-1] // lineEnd
	}
	rec.Values = make([]Value, len(values))
	for i, v := range values {
		rec.Values[i] = Value{v.Unit, v.Value}
		if v.OrigUnit != "" {
			rec.Values[i] = Value{v.OrigUnit, v.OrigValue}
		}
	}
	switch {
	case rec.Bench == "":
		return Record{}, r.syntax(line, "benchmark without a name")
	case n.mark != "" && rec.Bench != n.mark:
		return Record{}, r.syntax(line, fmt.Sprintf("%s line of Benchmark%s", strings.ToLower(n.mark), rec.Bench))
	case rec.N < 1:
		return Record{}, r.syntax(line, fmt.Sprintf("%d iterations", rec.N))
	case len(values) == 0 && rec.Broken == "":
		return Record{}, r.syntax(line, "missing measurements")
	}
	if err := checkValues(rec.Values); err != nil {
		return Record{}, r.syntax(line, err.Error())
	}
	return rec, nil
}

// configOf returns the configuration of res, the same slice while it is the same.
func (r *Reader) configOf(res *benchfmt.Result) []Param {
	same := slices.EqualFunc(r.config, res.Config, func(p Param, c benchfmt.Config) bool {
		return p.Key == c.Key && p.Value == string(c.Value)
	})
	if !same {
		r.config = make([]Param, len(res.Config))
		for i, c := range res.Config {
			r.config[i] = Param{c.Key, string(c.Value)}
		}
	}
	return r.config
}

func (r *Reader) nameOf(name benchfmt.Name) (string, []Param) {
	if base, ok := r.bases[string(name)]; ok {
		return base, r.params[string(name)]
	}
	first, parts := name.Parts()
	base := string(first)
	var params []Param
	for _, part := range parts {
		switch key, value, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "="); {
		case part[0] == '-':
			// A real GOMAXPROCS, of somebody else's file. benchproc knows it by
			// this key in either form.
			params = append(params, Param{"gomaxprocs", string(part[1:])})
		case ok && key != "":
			params = append(params, Param{key, value})
		default:
			params = append(params, Param{"", string(part[1:])})
		}
	}
	r.bases[string(name)], r.params[string(name)] = base, params
	return base, params
}

// A note is what the comments say about one line.
type note struct {
	line      int
	err       string // a comment that begins like a note but is none
	rewritten bool   // a comment that became a benchmark line
	mark      string // Control or Ledger: the only benchmark that may stand here
	broken    string
	noisy     []string
	ends      Ends
}

// lineEnd is put behind every rewritten line, and its value taken off again: a
// trial that broke early has no values, which benchfmt would not take.
const lineEnd = " 1 end"

// lines hands a result file to benchfmt, line for line, commented benchmark
// lines as plain ones.
type lines struct {
	src  *bufio.Reader
	buf  []byte
	out  []byte // not yet handed on
	err  error
	line int
	long bool // the rest of a line longer than src's buffer follows

	pending note   // noisy and ends lines that wait for their trial
	notes   []note // by ascending line, until taken
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
func (l *lines) fail(format string, args ...any) {
	l.notes = append(l.notes, note{line: l.line, err: fmt.Sprintf(format, args...)})
}

// orphan reports waiting notes that no trial followed.
func (l *lines) orphan() {
	if l.pending.line > 0 {
		l.notes = append(l.notes, l.pending)
		l.pending = note{}
	}
}

// attach gives the waiting notes, and n, to the current line.
func (l *lines) attach(n note) {
	n.line, n.noisy, n.ends = l.line, l.pending.noisy, l.pending.ends
	if l.pending.line > 0 || n.rewritten {
		l.notes = append(l.notes, n)
	}
	l.pending = note{}
}

// rewrite returns the line that benchfmt shall see; it may be body itself.
func (l *lines) rewrite(body []byte) []byte {
	switch {
	case bytes.HasPrefix(body, []byte("Benchmark")):
		l.attach(note{})
		return body

	case bytes.HasPrefix(body, []byte(controlMark+"Benchmark")):
		l.attach(note{rewritten: true, mark: Control})
		return []byte(string(body[len(controlMark):]) + lineEnd)

	case bytes.HasPrefix(body, []byte(ledgerMark+"Benchmark")):
		l.attach(note{rewritten: true, mark: Ledger})
		return []byte(string(body[len(ledgerMark):]) + lineEnd)

	case bytes.HasPrefix(body, []byte(brokenMark)):
		// The last one: a reason may hold anything, a benchmark line has no
		// colon before a space.
		rest := string(body[len(brokenMark)-1:])
		i := strings.LastIndex(rest, ": Benchmark")
		if i < 0 {
			l.orphan()
			l.fail("broken trial without reason or benchmark line")
			return []byte("#")
		}
		l.attach(note{rewritten: true, broken: oneReason(rest[:i])})
		return []byte(rest[i+len(": "):] + lineEnd)

	case bytes.HasPrefix(body, []byte(noisyMark)):
		l.wait()
		l.pending.noisy = append(l.pending.noisy, oneReason(string(body[len(noisyMark):])))

	case bytes.HasPrefix(body, []byte(endsMark)):
		ends, err := parseEnds(string(body[len(endsMark):]))
		if err == nil && l.pending.ends.Known {
			err = fmt.Errorf("second ends of one trial")
		}
		if err != nil {
			l.orphan()
			l.fail("%v", err)
			return []byte("#")
		}
		l.wait()
		l.pending.ends = ends

	default:
		l.orphan()
	}
	return body
}

func (l *lines) wait() {
	if l.pending.line == 0 {
		l.pending.line = l.line
	}
}

// parseEnds parses `signals=0 exited=500 killed=0 dumped=0`.
func parseEnds(s string) (Ends, error) {
	e := Ends{Known: true}
	fields := map[string]*uint64{"signals": &e.Signals, "exited": &e.Exited, "killed": &e.Killed, "dumped": &e.Dumped}
	for _, f := range strings.Fields(s) {
		key, value, _ := strings.Cut(f, "=")
		p := fields[key]
		if p == nil {
			return Ends{}, fmt.Errorf("ends: unknown or repeated field %q", f)
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return Ends{}, fmt.Errorf("ends: %q is not a count", f)
		}
		*p = n
		delete(fields, key)
	}
	if len(fields) > 0 {
		return Ends{}, fmt.Errorf("ends: want signals, exited, killed and dumped")
	}
	return e, nil
}
