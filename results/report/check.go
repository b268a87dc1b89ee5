package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/combin"

	"zombench/results"
	"zombench/results/stats"
)

// A Verdict is what a comparison of an old with a new file says.
type Verdict struct {
	Compared int       // cells that both files have, of units that have a better side
	Worse    []Finding // significantly, and by more than the limit
	Limit    float64   // as a ratio: 0.03 is 3 %
	Notes    []string  // what was not judged, and why
}

// A Finding is a cell that got worse.
type Finding struct {
	Unit     string
	Of       []results.Param // what names table and row
	Old, New stats.Cell
	Change   Change
}

// ErrCannotJudge means that files cannot be compared, so that neither worse nor
// well would be true.
var ErrCannotJudge = errors.New("cannot judge")

// Check compares the first file of a set with the second, by every unit whose
// metadata says which side is better. A cell is worse if its medians differ by
// more than limit to the wrong side and the samples differ significantly.
//
// ErrCannotJudge is wrapped where passing would mean nothing: if the files have
// no such cell in common, if the new one lacks what the old one has, or if the
// samples are so few that no difference could be significant. q.Col is not for
// asking; any error of it is a [QueryError].
func Check(set *results.Set, q Query, limit float64) (Verdict, error) {
	var files []string
	for _, r := range set.Records {
		if !r.Control {
			files = stats.AddNew(files, r.File)
		}
	}
	if len(files) != 2 {
		return Verdict{}, fmt.Errorf("%w: results of %s, want an old and a new file with trials", ErrCannotJudge, Plural(len(files), "file"))
	}
	q.Col = ".file"
	r, err := New(set, q)
	if err != nil {
		return Verdict{}, err
	}
	j := judge{Verdict: Verdict{Limit: limit}, old: files[0], new: files[1]}
	for _, c := range r.Comparisons {
		j.judge(c)
	}
	return j.Verdict, j.err()
}

// A judge goes through comparisons.
type judge struct {
	Verdict
	old, new string   // files
	missing  []string // cells that the new file lacks
	tooFew   int      // cells in which no difference could be significant
}

func (j *judge) note(format string, args ...any) {
	j.Notes = stats.AddNew(j.Notes, fmt.Sprintf(format, args...))
}

func (j *judge) judge(c Comparison) {
	machines := slices.DeleteFunc(slices.Clone(c.Differs), func(key string) bool { return key != "cpu" && key != "vm" && key != results.ProgramKey })
	if slices.Contains(c.Differs, results.ProgramKey) {
		j.note("the files differ in what the children execute, which is part of what their zombies hold")
	}
	switch {
	case c.Better == 0:
		j.note("%s is not judged: its metadata does not say which direction is better", c.Unit)
		return
	case heading(c.Unit) == "sec" && len(machines) > 0:
		j.note("%s is not judged: the files differ in %s", c.Unit, list(machines))
		return
	}
	oldCol, newCol := slices.Index(c.Cols, j.old), slices.Index(c.Cols, j.new)
	for i, row := range c.Rows {
		was, is := row.at(oldCol), row.at(newCol)
		switch {
		case was == nil:
			j.note("some of %s is in %s only", c.Unit, j.new)
			continue
		case is == nil:
			j.missing = append(j.missing, c.Unit+" "+describe(c.rowParams(i)))
			continue
		}
		j.Compared++
		switch {
		case is.Change.P != 0 && leastP(is.Change.N1, is.Change.N2) > is.Change.Alpha:
			j.tooFew++
		// What is below the noise floor is no measurement that could be worse.
		case !is.BelowNoise && worse(was.Center, is.Center, c.Better, j.Limit) && is.Change.Significant():
			j.Worse = append(j.Worse, Finding{c.Unit, c.rowParams(i), was.Cell, is.Cell, *is.Change})
		}
	}
}

// err says why passing would mean nothing. That something is worse is certain,
// whatever else cannot be told.
func (j *judge) err() error {
	switch {
	case len(j.Worse) > 0:
		return nil
	case len(j.missing) > 0:
		return fmt.Errorf("%w: %s lacks %s of %s, first %s", ErrCannotJudge, j.new, Plural(len(j.missing), "cell"), j.old, j.missing[0])
	case j.Compared == 0:
		return fmt.Errorf("%w: the files have nothing in common that has a better side", ErrCannotJudge)
	case j.tooFew > 0:
		return fmt.Errorf("%w: too few samples in %d of %s for any difference to be significant; take 6 or more", ErrCannotJudge, j.tooFew, Plural(j.Compared, "comparison"))
	}
	return nil
}

// worse reports whether now is on the wrong side of old by more than limit.
func worse(old, now float64, better int, limit float64) bool {
	step := (now - old) * -float64(better)
	return step > math.Abs(old)*limit
}

// leastP is the least p-value that a two-sided Mann-Whitney test of such samples
// can have: when all of one lie below all of the other.
func leastP(n1, n2 int) float64 {
	return 2 / math.Exp(combin.LogGeneralizedBinomial(float64(n1+n2), float64(n1)))
}

func (r ComparedRow) at(col int) *ComparedCell {
	if col < 0 {
		return nil
	}
	return r.Cells[col]
}

func describe(params []results.Param) string {
	var parts []string
	for _, p := range params {
		if p.Value != "" {
			parts = append(parts, p.Key+"="+p.Value)
		}
	}
	return strings.Join(parts, " ")
}

// Doc is the verdict with a row for each finding.
func (v Verdict) Doc() Doc {
	limit := strconv.FormatFloat(v.Limit*100, 'g', 6, 64)
	d := Doc{Title: "What got worse", Notes: v.Notes,
		Facts: []string{fmt.Sprintf("Nothing is significantly worse by more than %s %% (%s).", limit, Plural(v.Compared, "comparison"))}}
	if len(v.Worse) == 0 {
		return d
	}
	d.Facts = []string{fmt.Sprintf("%d of %s worse by more than %s %%.", len(v.Worse), Plural(v.Compared, "comparison"), limit)}
	t := Table{Columns: []Column{{Name: "worse", Left: true}, {Name: "of", Left: true}, {Name: "old"}, {Name: "new"}, {Name: "change"}, {Name: "p"}, {Name: "n"}}}
	for _, f := range v.Worse {
		q := stats.NewQuantity(f.Unit, f.Old.Center, f.New.Center)
		t.Row(f.Unit, describe(f.Of), Interval(f.Old.Center, f.Old.Lo, f.Old.Hi, q.Format(f.Old.Center)),
			Interval(f.New.Center, f.New.Lo, f.New.Hi, q.Format(f.New.Center)), f.Change.ratio(), f.Change.p(), f.New.N)
	}
	d.Sections = []Section{{Tables: []Table{t}}}
	return d
}
