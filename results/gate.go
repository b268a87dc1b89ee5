package results

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/combin"

	"zombench/results/table"
)

// A Verdict is what became of a comparison of an old with a new file.
type Verdict struct {
	Compared int       // cells that both files have, of units that have a better side
	Worse    []Finding // significantly, and by more than the limit
	Limit    float64   // as a ratio: 0.03 is 3 %
	Notes    []string  // what was not judged, and why
}

// A Finding is a cell that got worse.
type Finding struct {
	Unit     string
	Of       []Param // what names table and row
	Old, New Cell
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
func (s *Set) Check(q Query, limit float64) (Verdict, error) {
	var files []string
	for _, rec := range s.Records {
		if !rec.Control && (len(files) == 0 || files[len(files)-1] != rec.File) && !slices.Contains(files, rec.File) {
			files = append(files, rec.File)
		}
	}
	if len(files) != 2 {
		return Verdict{}, fmt.Errorf("%w: results of %s, want an old and a new file with trials", ErrCannotJudge, plural(len(files), "file"))
	}
	q.Col = ".file"
	r, err := s.Report(q)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Limit: limit}
	note := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(v.Notes, text) {
			v.Notes = append(v.Notes, text)
		}
	}
	var missing []string
	tooFew := 0
	for _, c := range r.Comparisons {
		machines := slices.DeleteFunc(slices.Clone(c.Differs), func(key string) bool { return key != "cpu" && key != "vm" })
		base, _, _ := PerZombies(c.Unit)
		switch {
		case c.Better == 0:
			note("%s is not judged: its metadata does not say which side is better", c.Unit)
			continue
		case base == "sec" && len(machines) > 0:
			note("%s is not judged: the files differ in %s", c.Unit, list(machines))
			continue
		}
		oldCol, newCol := c.column(files[0]), c.column(files[1])
		for i, row := range c.Rows {
			old, new := cellAt(row, oldCol), cellAt(row, newCol)
			switch {
			case old == nil:
				note("some of %s is in %s only", c.Unit, files[1])
				continue
			case new == nil:
				missing = append(missing, c.Unit+" "+describe(c.rowParams(i)))
				continue
			}
			v.Compared++
			if new.Change.P != 0 && leastP(new.Change.N1, new.Change.N2) > new.Change.Alpha {
				tooFew++
				continue
			}
			// What is below the noise floor is no measurement that could be worse.
			if !new.BelowNoise && worse(old.Center, new.Center, c.Better, limit) && new.Change.Significant() {
				v.Worse = append(v.Worse, Finding{c.Unit, c.rowParams(i), old.Cell, new.Cell, *new.Change})
			}
		}
	}
	if len(v.Worse) > 0 {
		return v, nil // certain, whatever else cannot be told
	}
	switch {
	case len(missing) > 0:
		return v, fmt.Errorf("%w: %s lacks %s of %s, first %s", ErrCannotJudge, files[1], plural(len(missing), "cell"), files[0], missing[0])
	case v.Compared == 0:
		return v, fmt.Errorf("%w: the files have nothing in common that has a better side", ErrCannotJudge)
	case tooFew > 0:
		return v, fmt.Errorf("%w: too few samples in %d of %s for any difference to be significant; take 6 or more", ErrCannotJudge, tooFew, plural(v.Compared, "comparison"))
	}
	return v, nil
}

// worse tells whether new is on the wrong side of old by more than limit.
func worse(old, new float64, better int, limit float64) bool {
	step := (new - old) * -float64(better)
	return step > math.Abs(old)*limit
}

// leastP is the least p-value that a two-sided Mann-Whitney test of such samples
// can have: when all of one lie below all of the other.
func leastP(n1, n2 int) float64 {
	return 2 / math.Exp(combin.LogGeneralizedBinomial(float64(n1+n2), float64(n1)))
}

func cellAt(row ComparedRow, col int) *ComparedCell {
	if col < 0 {
		return nil
	}
	return row.Cells[col]
}

// column finds the column of a file.
func (c Comparison) column(file string) int {
	return slices.IndexFunc(c.colParams, func(p []Param) bool { return Lookup(p, ".file") == file })
}

func describe(params []Param) string {
	var parts []string
	for _, p := range params {
		if p.Value != "" {
			parts = append(parts, p.Key+"="+p.Value)
		}
	}
	return strings.Join(parts, " ")
}

// String is the verdict, a line for each finding and one for the whole.
func (v Verdict) String() string {
	var b strings.Builder
	for _, f := range v.Worse {
		q := newQuantity(f.Unit, f.Old.Center, f.New.Center)
		fmt.Fprintf(&b, "worse: %s %s: %s -> %s, %s (%s)\n", f.Unit, describe(f.Of), q.format(f.Old.Center), q.format(f.New.Center), f.Change.Percent(), f.Change.Comparison)
	}
	for _, n := range v.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	limit := strconv.FormatFloat(v.Limit*100, 'g', 6, 64)
	switch {
	case len(v.Worse) == 0:
		fmt.Fprintf(&b, "nothing is significantly worse by more than %s %% (%s)\n", limit, plural(v.Compared, "comparison"))
	default:
		fmt.Fprintf(&b, "%d of %s worse by more than %s %%\n", len(v.Worse), plural(v.Compared, "comparison"), limit)
	}
	return printableLines(b.String())
}

func printableLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(table.Printable(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}
