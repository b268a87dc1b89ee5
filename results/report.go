package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Format is a way to print a report.
type Format string

const (
	Text        Format = "text"        // for a terminal
	Markdown    Format = "markdown"    // GitHub's, to paste
	HTML        Format = "html"        // one file with tables and figures
	CSV         Format = "csv"         // raw numbers in base units, a line each, for programs
	JSON        Format = "json"        // everything, every single trial too
	LaTeX       Format = "latex"       // sentences and tabulars, for a paper
	OpenMetrics Format = "openmetrics" // estimates and medians as gauges
)

// Formats are all there are.
func Formats() []Format {
	return []Format{Text, Markdown, HTML, CSV, JSON, LaTeX, OpenMetrics}
}

// ParseFormat finds a format by its name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	all := Formats()
	return "", fmt.Errorf("unknown format %q: want %s or %s", name, joined(all[:len(all)-1]), all[len(all)-1])
}

func joined(formats []Format) string {
	var names []string
	for _, f := range formats {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// A Report is all that is said about a set.
type Report struct {
	Query     Query
	Summaries []Summary
	// Either a table of everything, or, if the query compares, one for each
	// instrument.
	Table       Table
	Comparisons []Comparison

	set      *Set // that the query is about
	grouping grouping
}

// Report says what a set means. An error is a [QueryError].
func (s *Set) Report(q Query) (Report, error) {
	part := s
	if q.filters() {
		var err error
		if part, err = s.filter(q); err != nil {
			return Report{}, err
		}
	}
	if q.Per < 0 {
		return Report{}, &QueryError{"per", fmt.Errorf("%d zombies", q.Per)}
	}
	if err := q.checkUnits(part); err != nil {
		return Report{}, err
	}
	r := Report{Query: q, set: part, grouping: part.groups()}
	r.Summaries = summaries(q, r.grouping)
	if !q.compares() {
		r.Table = part.table(q, r.grouping)
		return r, nil
	}
	var err error
	r.Comparisons, err = part.compare(q, r.grouping)
	return r, err
}

// Write prints the report.
func (r Report) Write(w io.Writer, f Format) error {
	var b strings.Builder
	var err error
	switch f {
	case Text:
		err = r.text(&b)
	case Markdown:
		err = r.markdown(&b)
	case HTML:
		err = r.html(&b)
	case CSV:
		err = r.csv(&b)
	case JSON:
		err = r.json(&b)
	case LaTeX:
		err = r.latex(&b)
	case OpenMetrics:
		err = r.openMetrics(&b)
	default:
		_, err = ParseFormat(string(f))
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// evidence is what is said below a sentence: all of it in a report of one table,
// and only what is doubtful where many systems are compared.
func (r Report) evidence(s Summary) []string {
	if len(r.Comparisons) > 0 && len(r.Summaries) > 1 {
		return s.doubts()
	}
	return s.Facts()
}
