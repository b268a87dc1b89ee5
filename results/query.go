package results

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"
)

// A Query says what a report is about. The zero value asks for everything, in
// one table.
//
// The expressions are benchproc's and mean here what they mean in benchstat
// (https://pkg.go.dev/golang.org/x/perf/benchproc/syntax), with one convenience:
// a key of benchmark names need not be written with its slash where no
// configuration has that key, so that count is /count, in numerical order. And
// there is the key series, which is 6.1 for every kernel called 6.1.0-50-s390x
// or the like, so that architectures can stand side by side.
type Query struct {
	Filter string // which trials and units; empty for all

	// Col, Row, Table and Ignore are projections. If all are empty there is no
	// comparison, and one table with a column for each instrument. Otherwise
	// there is a table for each instrument, with a column for each distinct value
	// of Col (default: the file), a row for each of Row (default: the benchmark's
	// name), and tables of their own for each of Table. Keys in Ignore may vary
	// within a cell. By default there are just as many tables as it takes for no
	// cell to mix trials of different configurations.
	Col, Row, Table, Ignore string

	Units []string // only these instruments in tables; empty for all
	Per   int      // zombies that sentences and tables speak of; 0 is 1000

	// Medians leaves intervals, changes and numbers of samples out of comparisons,
	// and says below them how wide the intervals are and how few the samples.
	Medians bool
}

// compares tells whether trials shall stand side by side.
func (q Query) compares() bool { return q.Col+q.Row+q.Table+q.Ignore != "" }

// filters tells whether something may be left out: fixed orders leave out what
// they do not list.
func (q Query) filters() bool {
	return q.Filter != "" || strings.Contains(q.Col+q.Row+q.Table+q.Ignore, "@")
}

// seriesKey is derived from the kernel's release, of which it is the first two
// numbers.
const seriesKey = "series"

func seriesOf(release string) string {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsDigit(r) })
	if end < 0 {
		end = len(rest)
	}
	if major == "" || end == 0 {
		return ""
	}
	return major + "." + rest[:end]
}

// view gives a record as q sees it. The derived key is there if q speaks of it,
// and in no one's way else.
func (q Query) view(r Record) *benchfmt.Result {
	res := r.Result()
	if !strings.Contains(q.Filter+q.Col+q.Row+q.Table+q.Ignore, seriesKey) {
		return res
	}
	var series string
	for _, p := range r.Config {
		switch p.Key {
		case "kernel":
			series = seriesOf(p.Value)
		case seriesKey:
			return res
		}
	}
	if series != "" {
		res.Config = append(res.Config, benchfmt.Config{Key: seriesKey, Value: []byte(series), File: true})
	}
	return res
}

// A QueryError is a query that cannot be answered, such as one with an
// expression of wrong syntax: the asker's fault, not the data's.
type QueryError struct {
	What string // col, row, table, ignore, filter, unit or per
	Err  error
}

func (e *QueryError) Error() string {
	// benchproc draws where the error is, on lines of its own, the first of which
	// is what it parsed.
	first, rest, _ := strings.Cut(e.Err.Error(), "\n")
	expr, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	if expr != "" {
		first += fmt.Sprintf(" in %q", expr)
	}
	return e.What + ": " + first
}

func (e *QueryError) Unwrap() error { return e.Err }

// projections are those of a query. They share a parser, so that .config and
// .fullname of one exclude what another names.
type projections struct {
	table, row, col *benchproc.Projection
	rest            *benchproc.Projection // all that none of the others and no Ignore names
}

// projections parses those of q, adding to filter what they imply.
func (s *Set) projections(q Query, filter *benchproc.Filter) (projections, error) {
	if q.Col == "" {
		q.Col = ".file"
	}
	if q.Row == "" {
		q.Row = s.nameProjection()
	}
	var parser benchproc.ProjectionParser
	var errs []error
	parse := func(what, expr string) *benchproc.Projection {
		p, err := parser.Parse(s.slashProjection(expr), filter)
		if err != nil {
			errs = append(errs, &QueryError{what, err})
		}
		return p
	}
	p := projections{table: parse("table", q.Table), row: parse("row", q.Row), col: parse("col", q.Col)}
	parse("ignore", q.Ignore)
	p.rest = parser.Residue()
	return p, errors.Join(errs...)
}

// filter returns the part of the set that q is about. The controls of what is
// left stay with it, whatever the filter says of them: without them nobody would
// know what is noise.
func (s *Set) filter(q Query) (*Set, error) {
	expr := "*"
	if q.Filter != "" {
		expr = s.slashFilter(q.Filter)
	}
	filter, err := benchproc.NewFilter(expr)
	if err != nil {
		return nil, &QueryError{"filter", err}
	}
	if q.compares() {
		if _, err := s.projections(q, filter); err != nil {
			return nil, err
		}
	}
	part := &Set{Units: s.Units}
	grouping := s.groups()
	stays := make(map[*group]bool)
	keep := make([]Record, len(s.Records))
	for i, rec := range s.Records {
		res := q.view(rec)
		m, err := filter.Match(res)
		if err != nil {
			return nil, &QueryError{"filter", err}
		}
		switch {
		case m.All():
			keep[i] = rec
		case m.Any():
			keep[i] = rec
			keep[i].Values = nil
			for j, v := range rec.Values {
				if m.Test(j) {
					keep[i].Values = append(keep[i].Values, v)
				}
			}
		default:
			continue
		}
		if !rec.Control {
			stays[grouping.of[i]] = true
		}
	}
	for i, rec := range keep {
		if s.Records[i].Control && stays[grouping.of[i]] {
			rec = s.Records[i]
		}
		if rec.Bench != "" {
			part.Records = append(part.Records, rec)
		}
	}
	if len(part.Records) == 0 {
		return nil, &QueryError{"filter", fmt.Errorf("nothing of what was read matches %s", q.Filter)}
	}
	return part, nil
}

// wanted tells of a unit, as it stands in the file, whether q asks for it. It
// may be called by any of its names.
func (q Query) wanted(unit string) bool {
	if len(q.Units) == 0 {
		return true
	}
	_, tidy := benchunit.Tidy(1, unit)
	scaled, _ := q.scale(tidy)
	return slices.ContainsFunc(q.Units, func(u string) bool {
		return u == unit || u == tidy || u == scaled || u == heading(unit) || u == heading(tidy)
	})
}

// checkUnits tells of a unit that nothing was measured in.
func (q Query) checkUnits(s *Set) error {
	have := unitsOf(s.Records)
	for _, u := range q.Units {
		one := Query{Units: []string{u}, Per: q.Per}
		if !slices.ContainsFunc(have, one.wanted) {
			return &QueryError{"unit", fmt.Errorf("nothing was measured in %s; there are %s", u, list(have))}
		}
	}
	return nil
}

// per is the number of zombies that the answer speaks of.
func (q Query) per() int {
	if q.Per == 0 {
		return perArmy
	}
	return q.Per
}

// scale gives what a unit over 1000 zombies is called over q.Per of them, and
// what its values must be multiplied by. What is counted for each zombie stays.
func (q Query) scale(unit string) (scaled string, factor float64) {
	base, per, ok := PerZombies(unit)
	if !ok || per != perArmy || q.per() == perArmy {
		return unit, 1
	}
	return OverZombies(base, q.per()), float64(q.per()) / per
}

// nameProjection is a row for each benchmark, in order of its numbers.
func (s *Set) nameProjection() string {
	keys, complete := s.allNameKeys()
	var parts []string
	for _, key := range keys {
		parts = append(parts, "/"+key+"@num")
	}
	if !complete || len(parts) == 0 {
		parts = append(parts, ".fullname")
	}
	return strings.Join(parts, ",")
}

// bareKeys are the keys of benchmark names that may be written without their
// slash: no configuration has them.
func (s *Set) bareKeys() map[string]bool {
	bare := make(map[string]bool)
	keys, _ := s.allNameKeys()
	for _, key := range keys {
		bare[key] = true
	}
	var config []Param
	for _, rec := range s.Records {
		if len(config) == len(rec.Config) && (len(config) == 0 || &config[0] == &rec.Config[0]) {
			continue // the same slice as that of the record before
		}
		config = rec.Config
		for _, p := range config {
			delete(bare, p.Key)
		}
	}
	return bare
}

// allNameKeys lists the keys of the names of armies; complete is false if there
// are others that a projection cannot hold.
func (s *Set) allNameKeys() (keys []string, complete bool) {
	complete = true
	seen := make(map[string]bool)
	for _, rec := range s.Records {
		if rec.Control {
			continue
		}
		for _, p := range rec.Params {
			if seen[p.Key] {
				continue
			}
			seen[p.Key] = true
			if isPlainKey(p.Key) {
				keys = append(keys, p.Key)
			} else {
				complete = false
			}
		}
	}
	return keys, complete
}

// slashProjection writes the slash before keys of benchmark names in a
// projection that lack it, and a numerical order behind them if they have none.
func (s *Set) slashProjection(expr string) string {
	bare := s.bareKeys()
	var b strings.Builder
	for rest := expr; rest != ""; {
		switch c := rest[0]; {
		case c == '"':
			rest = move(&b, rest, quotedEnd(rest))
		case c == '(':
			rest = move(&b, rest, parenEnd(rest))
		case isOperator(c):
			rest = move(&b, rest, 1)
		default:
			word := rest[:wordEnd(rest)]
			rest = rest[len(word):]
			afterOrder := strings.HasSuffix(b.String(), "@")
			if afterOrder || !bare[word] {
				b.WriteString(word)
				continue
			}
			b.WriteString("/" + word)
			if !strings.HasPrefix(strings.TrimLeft(rest, " "), "@") {
				b.WriteString("@num")
			}
		}
	}
	return b.String()
}

// slashFilter writes the slash before keys of benchmark names in a filter.
func (s *Set) slashFilter(expr string) string {
	bare := s.bareKeys()
	var b strings.Builder
	for rest := expr; rest != ""; {
		switch c := rest[0]; {
		case c == '"':
			rest = move(&b, rest, quotedEnd(rest))
		case c == ':':
			// A value: whatever it is, it is no key.
			rest = move(&b, rest, 1)
			switch {
			case strings.HasPrefix(rest, "("):
				rest = move(&b, rest, parenEnd(rest))
			case strings.HasPrefix(rest, "/"):
				rest = move(&b, rest, quotedEnd(rest))
			case rest != "" && rest[0] != '"':
				rest = move(&b, rest, wordEnd(rest))
			}
		case isOperator(c) || c == '-' || c == '*':
			rest = move(&b, rest, 1)
		default:
			word := rest[:wordEnd(rest)]
			rest = rest[len(word):]
			if bare[word] && strings.HasPrefix(rest, ":") {
				word = "/" + word
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

// move writes the first n bytes of s to b and returns the others.
func move(b *strings.Builder, s string, n int) string {
	b.WriteString(s[:n])
	return s[n:]
}

func isOperator(c byte) bool { return strings.IndexByte("():@, \t\n", c) >= 0 }

// wordEnd is the length of the word that s begins with, at least 1.
func wordEnd(s string) int {
	if i := strings.IndexAny(s[1:], "():@, \t\n"); i >= 0 {
		return i + 1
	}
	return len(s)
}

// quotedEnd is the length of the quoted word, or regular expression, that s
// begins with.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

// parenEnd is the length of the list in parentheses that s begins with.
func parenEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"', '/':
			i += quotedEnd(s[i:]) - 1
		case ')':
			return i + 1
		}
	}
	return len(s)
}

// varyingNameKeys lists the keys in which benchmark names differ; "name" stands
// for what has none.
func varyingNameKeys(names []string) []string {
	var keys []string
	values := make(map[string]string)
	note := func(key, value string, first bool) {
		if old, ok := values[key]; (ok && old != value || !ok && !first) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		values[key] = value
	}
	for i, name := range names {
		base, parts := benchfmt.Name(name).Parts()
		note("name", string(base), i == 0)
		for _, part := range parts {
			key, value, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "=")
			if !ok {
				key, value = "name", string(part)
			}
			note(key, value, i == 0)
		}
	}
	return keys
}
