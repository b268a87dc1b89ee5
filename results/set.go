package results

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
)

// A Set is what was read from one or more result files.
type Set struct {
	Records []Record // armies and controls
	Units   benchfmt.UnitMetadataMap
}

// Load reads result files; "-" is standard input. What could be read is in the
// set, what could not is among the errors, each one naming its file and, where
// there is one, its line: the caller decides whether that is fatal. Benchmarks
// that are not of this project are passed over, and a file with nothing else
// has no results.
func Load(files ...string) (*Set, []error) {
	var l loader
	seen := make(map[string]bool)
	for _, name := range files {
		if seen[filepath.Clean(name)] {
			l.errs = append(l.errs, fmt.Errorf("%s: given twice, read once", name))
			continue
		}
		seen[filepath.Clean(name)] = true
		if name == "-" {
			l.load(os.Stdin, "stdin")
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		l.load(f, name)
		f.Close()
	}
	return l.done()
}

// Read reads one result file from r as Load does; name is for errors.
func Read(r io.Reader, name string) (*Set, []error) {
	var l loader
	l.load(r, name)
	return l.done()
}

type loader struct {
	reader *Reader
	set    Set
	errs   []error
}

func (l *loader) load(src io.Reader, name string) {
	if l.reader == nil {
		l.reader = NewReader(src, name)
	} else {
		l.reader.Reset(src, name)
	}
	var ours, bad bool
	for l.reader.Scan() {
		rec, err := l.reader.Record()
		switch {
		case err != nil:
			l.errs, bad = append(l.errs, err), true
		case rec.Bench == Zombies || rec.Bench == Control: // others are of how zombies end
			l.set.Records, ours = append(l.set.Records, rec), true
		}
	}
	switch err := l.reader.Err(); {
	case errors.Is(err, ErrNoResults) && bad:
		// Its lines were reported already.
	case err != nil:
		l.errs = append(l.errs, err)
	case !ours:
		l.errs = append(l.errs, fmt.Errorf("%s: %w of Benchmark%s", name, ErrNoResults, Zombies))
	}
}

func (l *loader) done() (*Set, []error) {
	if l.reader != nil {
		l.set.Units = l.reader.Units()
	}
	return &l.set, l.errs
}

// A label is one thing that tells groups of trials apart.
type label struct{ Key, Value string }

// A group is the trials that may be put into one estimate: everything about
// them is alike but the size of the army and how many were raised at a time.
type group struct {
	key      benchproc.Key
	order    int     // of the configuration's first appearance
	labels   []label // configuration and name, without count and parallel
	rows     []*row
	controls []Record
}

// A row is the trials of one size and parallelism.
type row struct {
	key             benchproc.Key
	count, parallel string
	trials          []Record
}

// A grouping is the groups of a set.
type grouping struct {
	groups []*group
	varies []string // keys of labels in which groups differ
	of     []*group // by index of a record, the group that it is in
}

// An origin is what projections see of a record: its file, configuration and
// name. Records that were read together share the slices of the latter.
type origin struct {
	file, bench    string
	config, params *Param
}

func (r Record) origin() origin {
	o := origin{file: r.File, bench: r.Bench}
	if len(r.Config) > 0 {
		o.config = &r.Config[0]
	}
	if len(r.Params) > 0 {
		o.params = &r.Params[0]
	}
	return o
}

// groups sorts the records into groups by benchproc's projections, so that
// equal means here what it means in benchstat. Groups are in the order in which
// the files first show their configuration, then by their names; trials come in
// random order, theirs means nothing.
func (s *Set) groups() grouping {
	var groups []*group
	var varies []string
	of := make([]*group, 0, len(s.Records))
	names := s.nameKeys()
	var parser benchproc.ProjectionParser
	expr := []string{".config"}
	for _, key := range names {
		expr = append(expr, strconv.Quote("/"+key)+"@num")
	}
	// What is left of the name: parts without a key.
	expr = append(expr, ".fullname")
	groupBy, err1 := parser.Parse(strings.Join(expr, ","), nil)
	rowBy, err2 := parser.Parse("/count@num,/parallel@num", nil)
	// A control has another name and belongs to the group all the same.
	_, err3 := parser.Parse(".name", nil)
	// Projections know no order of first appearance within .config.
	configBy, err4 := new(benchproc.ProjectionParser).Parse(".config", nil)
	order := make(map[benchproc.Key]int)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		panic(err) // expressions of our own
	}

	byKey := make(map[benchproc.Key]*group)
	type cell struct{ group, row benchproc.Key }
	rows := make(map[cell]*row)
	var keys []benchproc.Key
	// Where a trial belongs depends on its origin alone, and there are far fewer
	// of these.
	places := make(map[origin]cell)
	for _, rec := range s.Records {
		from := rec.origin()
		at, ok := places[from]
		if !ok {
			res := rec.Result()
			at = cell{groupBy.Project(res), rowBy.Project(res)}
			places[from] = at
			if byKey[at.group] == nil {
				config := configBy.Project(res)
				if _, ok := order[config]; !ok {
					order[config] = len(order)
				}
				byKey[at.group] = &group{key: at.group, order: order[config]}
				keys = append(keys, at.group)
			}
		}
		g := byKey[at.group]
		of = append(of, g)
		if rec.Control {
			g.controls = append(g.controls, rec)
			continue
		}
		r := rows[at]
		if r == nil {
			r = &row{key: at.row, count: rec.Param("count"), parallel: rec.Param("parallel")}
			rows[at] = r
			g.rows = append(g.rows, r)
		}
		r.trials = append(r.trials, rec)
	}
	slices.SortFunc(keys, func(a, b benchproc.Key) int {
		if c := cmp.Compare(byKey[a].order, byKey[b].order); c != 0 {
			return c
		}
		return compareKeys(a, b)
	})
	nameVaries := false
	for _, f := range benchproc.NonSingularFields(keys) {
		nameVaries = nameVaries || f.Name == ".fullname"
		varies = append(varies, labelKey(f))
	}
	for _, key := range keys {
		g := byKey[key]
		for _, f := range groupBy.FlattenedFields() {
			if v := key.Get(f); v != "" && (f.Name != ".fullname" || nameVaries) {
				g.labels = append(g.labels, label{labelKey(f), v})
			}
		}
		slices.SortFunc(g.rows, func(a, b *row) int { return compareKeys(a.key, b.key) })
		groups = append(groups, g)
	}
	return grouping{groups, varies, of}
}

func compareKeys(a, b benchproc.Key) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

func labelKey(f *benchproc.Field) string {
	if f.Name == ".fullname" {
		return "name"
	}
	return strings.TrimPrefix(f.Name, "/")
}

// telling picks, from the keys in which groups differ, those that a reader needs
// to tell them apart: machines that differ in their kernel differ in their cpu as
// well, and one of the two is enough. What names a system is kept all the same.
func telling(groups []*group, varies []string) []string {
	var picked []string
	distinct := func(keys []string) int {
		seen := make(map[string]bool)
		for _, g := range groups {
			var values []string
			for _, key := range keys {
				values = append(values, strconv.Quote(g.label(key)))
			}
			seen[strings.Join(values, " ")] = true
		}
		return len(seen)
	}
	for _, key := range []string{"goos", "kernel", "goarch", "spawn"} {
		if slices.Contains(varies, key) {
			picked = append(picked, key)
		}
	}
	for _, key := range varies {
		more := append(slices.Clone(picked), key)
		if distinct(more) > distinct(picked) {
			picked = more
		}
	}
	return picked
}

// nameKeys lists the keys of benchmark names but count and parallel, in the
// order in which they were first seen. A key that a projection expression cannot
// hold (benchproc stumbles over some quoted strings) is not among them; it stays
// in .fullname.
func (s *Set) nameKeys() []string {
	var keys []string
	seen := map[string]bool{"count": true, "parallel": true, "": true}
	for _, rec := range s.Records {
		for _, p := range rec.Params {
			if !seen[p.Key] {
				seen[p.Key] = true
				if isPlainKey(p.Key) {
					keys = append(keys, p.Key)
				}
			}
		}
	}
	return keys
}

// isPlainKey tells whether a projection expression can hold the key.
func isPlainKey(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

func (g *group) label(key string) string {
	for _, l := range g.labels {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// counting returns the trials that are not broken; not a copy if that is all.
func counting(trials []Record) []Record {
	if !slices.ContainsFunc(trials, func(r Record) bool { return r.Broken != "" }) {
		return trials
	}
	return slices.DeleteFunc(slices.Clone(trials), func(r Record) bool { return r.Broken != "" })
}
