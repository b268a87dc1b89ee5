package results

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// A Reader reads result files: the Go benchmark format, and the comments of a
// fixed form in which this package keeps what that format has no word for.
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

	config []Param             // of the latest record
	names  map[string]nameInfo // by benchmark name: many lines share a few names
}

// nameInfo is what a benchmark name says.
type nameInfo struct {
	bench   string
	params  []Param
	control bool
	err     error
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
	interned := make(map[string]string)
	if r.lines != nil {
		interned = r.lines.interned
	}
	*r = Reader{name: name, bench: r.bench, names: r.names, src: r.src}
	if r.src == nil {
		r.names = make(map[string]nameInfo)
		r.src = bufio.NewReaderSize(nil, bufio.MaxScanTokenSize)
	}
	r.src.Reset(src)
	r.lines = newLines(r.src, interned)
	r.bench.Reset(r.lines, name)
}

// Scan goes to the next record or syntax error and reports whether there is one.
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
	name := r.nameOf(res.Name)
	rec := Record{File: r.name, Line: line, Config: r.configOf(res), Facts: r.lines.facts}
	rec.Bench, rec.Params, rec.Control = name.bench, name.params, name.control || n.control
	rec.N, rec.Broken, rec.Warnings, rec.Ends, rec.Readings = res.Iters, n.broken, n.warnings, n.ends, n.readings
	rec.Sites, rec.Watchers = n.sites, n.watchers

	values := res.Values
	if n.rewritten {
		values = values[:len(values)-1] // lineEnd
	}
	rec.Values = make([]Value, len(values))
	for i, v := range values {
		rec.Values[i] = Value{renamed(v.Unit), v.Value}
		if v.OrigUnit != "" {
			rec.Values[i] = Value{v.OrigUnit, v.OrigValue}
		}
	}
	switch {
	case name.err != nil:
		return Record{}, r.syntax(line, name.err.Error())
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

func (r *Reader) nameOf(name benchfmt.Name) nameInfo {
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
