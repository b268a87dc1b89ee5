package results

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
)

// A reader reads result files into a set: the Go benchmark format, and the comments
// of a fixed form in which this package keeps what that format has no word for.
//
// Benchmark and unit lines are benchfmt's to parse, a line at a time; commented
// benchmark lines are handed to it as plain ones.
type reader struct {
	set  Set
	errs []error

	name     string
	line     int
	cut      bool            // the line does not end
	bench    benchfmt.Reader // keeps unit metadata across lines and files
	feed     feed            // what it reads
	comments *comments
	names    map[string]nameInfo // by benchmark name: many lines share a few names
}

// ErrNoResults is wrapped, with the file's name, when a file holds no result line.
var ErrNoResults = errors.New("no results")

// newReader returns a reader that, if it is lean, leaves out readings.
func newReader(lean bool) *reader {
	return &reader{names: make(map[string]nameInfo), comments: newComments(lean)}
}

// read reads the next file; name is for records and errors. Unit metadata carries over,
// so that files which contradict each other are found out; configuration does not.
func (r *reader) read(src io.Reader, name string) {
	r.name, r.line, r.cut = name, 0, false
	r.bench.Reset(&r.feed, name)
	r.comments.reset(name)
	records, bad := len(r.set.Records), len(r.errs)
	lines := bufio.NewScanner(src)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		n, line, err := bufio.ScanLines(data, atEOF)
		r.cut = n > 0 && data[n-1] != '\n'
		return n, line, err
	})
	for lines.Scan() {
		r.line++
		r.scanLine(lines.Bytes())
	}
	r.orphan()
	err := lines.Err()
	path, ok := errors.AsType[*fs.PathError](err)
	switch {
	case ok: // names the file itself
		r.errs = append(r.errs, path)
	case err != nil:
		r.errs = append(r.errs, fmt.Errorf("%s:%d: %w", name, r.line+1, err))
	case len(r.set.Records) == records && len(r.errs) == bad: // bad lines say enough
		r.errs = append(r.errs, fmt.Errorf("%s: %w", name, ErrNoResults))
	}
}

// done returns all that was read.
func (r *reader) done() (*Set, []error) {
	r.set.Units, r.set.Parts = r.bench.Units(), r.comments.parts.all
	return &r.set, r.errs
}

func (r *reader) syntax(line int, msg string) {
	r.errs = append(r.errs, &benchfmt.SyntaxError{FileName: r.name, Line: line, Msg: msg})
}

func (r *reader) scanLine(line []byte) {
	switch {
	case bytes.HasPrefix(line, []byte("Benchmark")):
		r.result(line, false)
	case bytes.HasPrefix(line, []byte("#")):
		if bytes.HasPrefix(line, []byte(serialMark)) {
			r.orphan()
		}
		hidden, err := r.comments.read(r.line, line)
		if err != nil {
			r.orphan()
			r.syntax(r.line, err.Error())
		} else if hidden != "" {
			r.result([]byte(hidden+lineEnd), true)
		}
	default:
		r.orphan()
		if len(line) == 0 {
			r.comments.parts.endConfig()
			return
		}
		r.comments.header()
		if key, value, ok := configLine(line); ok {
			r.configure(key, value)
		} else if unit, ok := bytes.CutPrefix(line, []byte("Unit")); ok {
			r.unit(string(unit))
		}
	}
}

// orphan ends the waiting for a trial, and reports comments that needed one.
func (r *reader) orphan() {
	if w := r.comments.waiting; w.needsTrial() {
		r.syntax(w.line, "no trial follows this comment (is the file truncated?)")
	}
	r.comments.waiting = waiting{}
}

// configure changes the configuration; an empty value deletes the key. It is shared
// by the records that it holds for, so never changed in place.
func (r *reader) configure(key, value string) {
	part := r.comments.parts.Part
	if part.frozen { // somebody else's line among those of a run
		return
	}
	config := slices.Clone(part.Config)
	i := slices.IndexFunc(config, func(p Param) bool { return p.Key == key })
	switch {
	case value == "" && i >= 0:
		config = slices.Delete(config, i, i+1)
	case value == "":
	case i >= 0:
		config[i].Value = value
	default:
		config = append(config, Param{key, value})
	}
	part.Config = config
}

// configLine splits `key: value` as benchfmt does: a key begins with a lower-case
// letter, and has no upper-case letters and no spaces.
func configLine(line []byte) (key, value string, ok bool) {
	first, _ := utf8.DecodeRune(line)
	k, v, ok := bytes.Cut(line, []byte(":"))
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsUpper(r) }
	trimmed := bytes.TrimLeft(v, " \t")
	if !ok || !unicode.IsLower(first) || bytes.ContainsFunc(k, bad) || len(v) > 0 && len(trimmed) == len(v) {
		return "", "", false
	}
	return string(k), string(trimmed), true
}

// unit reads the metadata of a unit.
func (r *reader) unit(rest string) {
	if f := strings.Fields(rest); len(f) > 0 {
		rest = strings.Replace(rest, f[0], renamed(f[0]), 1)
	}
	for res := range r.parsed([]byte("Unit" + rest)) {
		if err, ok := res.(*benchfmt.SyntaxError); ok {
			r.syntax(r.line, err.Msg)
		}
	}
}

// parsed gives what benchfmt makes of a line. The same Reader goes on from line to
// line, for a new one would have a new buffer.
func (r *reader) parsed(line []byte) iter.Seq[benchfmt.Record] {
	r.feed = append(append(r.feed[:0], line...), '\n')
	return func(yield func(benchfmt.Record) bool) {
		for r.bench.Scan() {
			if !yield(r.bench.Result()) {
				return
			}
		}
		r.bench.Reset(&r.feed, r.name) // it saw an end
	}
}

// A feed is a line on its way.
type feed []byte

func (f *feed) Read(p []byte) (int, error) {
	n := copy(p, *f)
	if n == 0 {
		return 0, io.EOF
	}
	*f = append((*f)[:0], (*f)[n:]...)
	return n, nil
}

// lineEnd is put behind hidden lines, and its value taken off again: a trial
// that broke early has no values, which benchfmt would not take.
const lineEnd = " 1 end"

// result reads a benchmark line, which a comment may have hidden, and gives it the
// comments that wait for it.
func (r *reader) result(line []byte, hidden bool) {
	for res := range r.parsed(line) {
		w := r.comments.taken()
		switch res := res.(type) {
		case *benchfmt.SyntaxError:
			r.syntax(r.line, res.Msg)
		case *benchfmt.Result:
			r.record(res, hidden, w)
		}
		return
	}
	r.orphan() // a name alone, as go test -v prints it
}

// record copies res, which benchfmt will overwrite.
func (r *reader) record(res *benchfmt.Result, hidden bool, w waiting) {
	name := r.nameOf(res.Name)
	part := r.comments.parts.Part
	rec := Record{Trial: w.Trial, File: r.name, Line: r.line, Config: part.Config, Facts: part.Facts}
	rec.Bench, rec.Params, rec.Control, rec.N = name.bench, name.params, rec.Control || name.control, res.Iters
	values := res.Values
	if hidden {
		values = values[:len(values)-1] // lineEnd
	}
	rec.Values = make([]Value, len(values))
	for i, v := range values {
		rec.Values[i] = Value{renamed(v.Unit), v.Value}
		if v.OrigUnit != "" {
			rec.Values[i] = Value{v.OrigUnit, v.OrigValue}
		}
	}
	err := checkValues(rec.Values)
	switch {
	case name.err != nil:
		err = name.err
	case r.cut && rec.Serial.Number > 0:
		err = errors.New("the line is cut short")
	case rec.N < 1:
		err = fmt.Errorf("%d iterations", rec.N)
	case len(values) == 0 && rec.Broken == "":
		err = errors.New("missing measurements")
	}
	if err != nil {
		r.syntax(r.line, err.Error())
		return
	}
	if part.take(rec.Serial.Number) {
		r.set.Records = append(r.set.Records, rec)
	}
}

// nameInfo is what a benchmark name says.
type nameInfo struct {
	bench   string
	params  []Param
	control bool
	err     error
}

func (r *reader) nameOf(name benchfmt.Name) nameInfo {
	if info, ok := r.names[string(name)]; ok {
		return info
	}
	info := newNameInfo(name)
	r.names[string(name)] = info
	return info
}

func newNameInfo(name benchfmt.Name) (info nameInfo) {
	first, parts := name.Parts()
	info.bench = string(first)
	for _, part := range parts {
		switch key, value, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "="); {
		case part[0] == '-':
			// A real GOMAXPROCS, of somebody else's file. benchproc knows it by
			// this key in either form.
			info.params = append(info.params, Param{"gomaxprocs", string(part[1:])})
		case ok && key != "":
			info.params = append(info.params, Param{key, value})
		default:
			info.params = append(info.params, Param{"", string(part[1:])})
		}
	}
	if info.bench == Control {
		info.control = true
		if of := Lookup(info.params, controlOf); of != "" {
			info.bench = of
			info.params = slices.DeleteFunc(info.params, func(p Param) bool { return p.Key == controlOf })
		}
	}
	if info.bench == "" {
		info.err = errors.New("benchmark without a name")
	} else {
		info.err = Trial{Bench: info.bench, Params: info.params}.checkName()
	}
	return info
}
