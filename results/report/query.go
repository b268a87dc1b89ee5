package report

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"

	"zombench/results"
	"zombench/results/stats"
)

// A Query says what a report is about. The zero value asks for everything, in one
// table for each benchmark.
//
// The expressions are benchproc's and mean what they mean in benchstat
// (https://pkg.go.dev/golang.org/x/perf/benchproc/syntax). There is one key more:
// series, which is 6.1 for every kernel called 6.1.0-50-s390x or the like, so that
// architectures can stand side by side.
type Query struct {
	Filter string // which trials and units; empty for all

	// Col, Row, Table and Ignore are projections. If all are empty there is no
	// comparison. Otherwise there is a table for each unit, with a column for each
	// distinct value of Col (default: the file), a row for each of Row (default: the
	// parameters of the benchmark's name), and tables of their own for each of Table.
	// Keys in Ignore may vary within a cell. By default there are just as many
	// tables as it takes for no cell to mix trials of different configurations.
	Col, Row, Table, Ignore string

	Units []string // only these units in tables; empty for all
	Per   int      // zombies that sentences and tables speak of; 0 is 1000

	// Medians leaves intervals, changes and numbers of samples out of comparisons,
	// and says below them how wide the intervals are and how few the samples.
	Medians bool
}

// perArmy is the number of zombies that answers speak of unless asked for others.
const perArmy = 1000

// compares reports whether trials shall stand side by side.
func (q Query) compares() bool { return q.Col+q.Row+q.Table+q.Ignore != "" }

// filters reports whether something may be left out: fixed orders leave out what
// they do not list.
func (q Query) filters() bool {
	return q.Filter != "" || strings.Contains(q.Col+q.Row+q.Table+q.Ignore, "@")
}

// seriesKey is derived from the kernel's release, of which it is the first two
// numbers.
const seriesKey = "series"

var seriesRE = regexp.MustCompile(`^[^.]+\.\d+`)

// view gives a record as q sees it. The derived key is there only if q speaks of
// it.
func (q Query) view(r *results.Record) *benchfmt.Result {
	res := r.Result()
	if !strings.Contains(q.Filter+q.Col+q.Row+q.Table+q.Ignore, seriesKey) || results.Lookup(r.Config, seriesKey) != "" {
		return res
	}
	if series := seriesRE.FindString(results.Lookup(r.Config, "kernel")); series != "" {
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
func (q Query) projections(setups []*stats.Setup, filter *benchproc.Filter) (projections, error) {
	if q.Col == "" {
		q.Col = ".file"
	}
	if q.Row == "" {
		q.Row = nameProjection(setups)
	}
	var parser benchproc.ProjectionParser
	var errs []error
	parse := func(what, expr string) *benchproc.Projection {
		p, err := parser.Parse(expr, filter)
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

// nameProjection is a row for each benchmark, in order of its numbers.
func nameProjection(setups []*stats.Setup) string {
	var parts []string
	seen := map[string]bool{"": true}
	plain := true
	for _, s := range setups {
		if s.First.Control {
			continue
		}
		for _, p := range s.First.Params {
			if !seen[p.Key] && isPlainKey(p.Key) {
				parts = append(parts, "/"+p.Key+"@num")
			}
			plain = plain && isPlainKey(p.Key)
			seen[p.Key] = true
		}
	}
	if !plain || len(parts) == 0 {
		parts = append(parts, ".fullname")
	}
	return strings.Join(parts, ",")
}

// isPlainKey reports whether a projection can hold a key; benchproc stumbles over
// some that are quoted.
func isPlainKey(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// filter returns the records that q is about. The controls of armies that are left
// stay with them, whatever the filter says: without them nobody would know what is
// noise.
func (q Query) filter(records []results.Record) ([]results.Record, error) {
	expr := "*"
	if q.Filter != "" {
		expr = q.Filter
	}
	filter, err := benchproc.NewFilter(expr)
	if err != nil {
		return nil, &QueryError{"filter", err}
	}
	setups := stats.Setups(records)
	if q.compares() {
		if _, err := q.projections(setups, filter); err != nil {
			return nil, err
		}
	}
	kept := make(map[*results.Record][]results.Value, len(records))
	for i := range records {
		r := &records[i]
		m, err := filter.Match(q.view(r))
		switch {
		case err != nil:
			return nil, &QueryError{"filter", err}
		case m.All():
			kept[r] = r.Values
		case m.Any():
			var values []results.Value
			for j, v := range r.Values {
				if m.Test(j) {
					values = append(values, v)
				}
			}
			kept[r] = values
		}
	}
	for _, g := range stats.Groups(setups) {
		stays := slices.ContainsFunc(stats.All(g.Armies...), func(r *results.Record) bool { _, ok := kept[r]; return ok })
		for _, r := range stats.All(g.Controls...) {
			if delete(kept, r); stays {
				kept[r] = r.Values
			}
		}
	}
	if len(kept) == 0 {
		return nil, &QueryError{"filter", fmt.Errorf("nothing of what was read matches %s", q.Filter)}
	}
	var some []results.Record
	for i, r := range records {
		if values, ok := kept[&records[i]]; ok {
			r.Values = values
			some = append(some, r)
		}
	}
	return some, nil
}

// wanted reports whether q asks for a unit, as it stands in the file. It may be
// called by any of its names.
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

// check reports what nobody can answer: fewer zombies than one, and a unit that
// nothing was measured in.
func (q Query) check(setups []*stats.Setup) error {
	if q.Per < 0 {
		return &QueryError{"per", fmt.Errorf("%d zombies", q.Per)}
	}
	if len(q.Units) == 0 {
		return nil
	}
	have := stats.Units(stats.Trials(setups...))
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
	base, per, ok := results.PerZombies(unit)
	if !ok || per != perArmy || q.per() == perArmy {
		return unit, 1
	}
	return results.OverZombies(base, q.per()), float64(q.per()) / per
}

// heading names the column of a unit: over how many zombies need not stand in
// each.
func heading(unit string) string {
	if base, _, ok := results.PerZombies(unit); ok {
		return base
	}
	return unit
}
