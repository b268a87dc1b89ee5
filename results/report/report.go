// Package report says what result files mean, and renders documents.
//
// In flow records and a [Query]; the answer is a [Doc]: facts, tables and figures,
// built once and rendered as text, Markdown, HTML, CSV, JSON or LaTeX by the one
// set of renderers there is. Every command answers with a Doc. Nothing here knows an
// experiment's parameters: the file says what a benchmark or a unit means; only
// of memory, the main job, there is a headline. It measures nothing, and reads no
// files but those it is given.
package report

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"zombench/results"
	"zombench/results/stats"
)

// A Report is all that is said about a set.
type Report struct {
	Query     Query
	Fleets    []Fleet   // nodes that are alike, if there are many
	Summaries []Summary // of memory
	Notes     []string  // on what was read
	// Either a table for each benchmark, or, if the query compares, a comparison
	// for each unit.
	Tables      []BenchTable
	Comparisons []Comparison

	records []results.Record // that the query is about
	setups  []*stats.Setup
	units   benchfmt.UnitMetadataMap
}

// New says what a set means. An error is a [QueryError].
func New(set *results.Set, q Query) (*Report, error) {
	r := &Report{Query: q, records: set.Records, units: set.Units}
	if q.filters() {
		var err error
		if r.records, err = q.filter(set.Records); err != nil {
			return nil, err
		}
	}
	setups := stats.Setups(r.records)
	if err := q.check(setups); err != nil {
		return nil, err
	}
	apart, folded, fleets, notes := q.fold(setups)
	r.setups, r.Fleets, r.Notes = folded, fleets, append(partNotes(set.Parts), notes...)
	groups := stats.Groups(r.setups)
	r.Summaries = q.summaries(groups)
	if !q.compares() {
		r.Tables = q.benchTables(r.setups, groupsOf(groups), r.units)
		return r, nil
	}
	compared := r.setups
	switch {
	case len(fleets) == 0:
	case strings.Contains(q.Row+","+q.Table, nodeKey): // each node for itself
		compared, groups = apart, stats.Groups(apart)
	case q.Col == "":
		q.Col = nodeKey
	}
	var err error
	r.Comparisons, err = q.compare(compared, groupsOf(groups), r.units)
	return r, err
}

// groupsOf finds the group of a setup.
func groupsOf(groups []*stats.Group) map[*stats.Setup]*stats.Group {
	groupOf := make(map[*stats.Setup]*stats.Group)
	for _, g := range groups {
		for _, s := range slices.Concat(g.Armies, g.Controls) {
			groupOf[s] = g
		}
	}
	return groupOf
}

// overview says what was measured where there is no headline: how many trials of
// which benchmarks, and where.
func (r *Report) overview() string {
	var benches, systems []string
	trials, broken, controls := 0, 0, 0
	for _, s := range r.setups {
		n := len(s.Trials) + len(s.Broken)
		if s.First.Control {
			controls += n
			continue
		}
		trials, broken = trials+n, broken+len(s.Broken)
		benches, systems = stats.AddNew(benches, s.First.Bench), stats.AddNew(systems, systemOf(s.First.Config))
	}
	if trials == 0 {
		return ""
	}
	where := list(systems)
	if len(systems) > 3 {
		where = Plural(len(systems), "system")
	}
	text := fmt.Sprintf("%s of %s on %s", Plural(trials, "trial"), list(benches), where)
	if broken > 0 {
		text += fmt.Sprintf(", %d of them broken", broken)
	}
	if controls > 0 {
		text += ", and " + Plural(controls, "control")
	}
	return text + "."
}
