package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/difference"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// Kernels says what zombies cost on many kernels, and why: what each holds by what it
// is for, which releases changed that, and what the newest of them has that the oldest
// has not. The pictures are those of a report of the same set.
func Kernels(set *results.Set) (Doc, error) {
	r, err := New(set, Query{Per: 1000})
	if err != nil {
		return Doc{}, err
	}
	ledgers := make(map[*stats.Group]*ledger.Ledger)
	for _, s := range r.Summaries {
		if l, err := ledger.Of(s.Group, nil); err == nil {
			ledgers[s.Group] = l
		}
	}
	d := Doc{Title: "What zombies cost on each kernel", Facts: []string{headline(r.Summaries)}}
	d.Sections = []Section{{Figures: r.figures()}}
	for _, same := range stats.Together(r.Summaries, Summary.arch) {
		d.Sections = append(d.Sections, Section{Heading: same[0].arch(), Tables: []Table{holdings(same, ledgers)}})
	}
	d.Sections[len(d.Sections)-1].Notes = []string{
		"bytes a zombie: objects by the struct that they hold, which add up to what is charged but for what is unexplained; pages: kernel slab"}
	for _, line := range r.lines() {
		d.Sections = append(d.Sections, line.growth(ledgers)...)
	}
	return d, nil
}

// holdings is what a zombie of each kernel holds, by what that is for.
func holdings(all []Summary, ledgers map[*stats.Group]*ledger.Ledger) Table {
	all = slices.Clone(all)
	slices.SortStableFunc(all, byRelease)
	t := newTable([]string{"kernel", "page size"}, all, func(s Summary) []string { return []string{s.Label("kernel"), s.Label("page-size")} })
	column := func(name string, of func(Summary) (float64, bool)) {
		t.add(Column{Name: name, Unit: "B"}, func(i int) Cell {
			if v, ok := of(all[i]); ok {
				return bytesCell(v)
			}
			return Words("-")
		})
	}
	ofLedger := func(name string, of func(*ledger.Ledger) float64) {
		column(name, func(s Summary) (float64, bool) {
			l := ledgers[s.Group]
			if l == nil {
				return 0, false
			}
			return of(l), true
		})
	}
	structs := []string{"task_struct", "signal_struct", "sighand_struct"}
	objects := func(l *ledger.Ledger, in func(holds []string) bool) (total float64) {
		for _, c := range l.Caches {
			if in(c.Holds()) {
				total += c.AccountedBytes()
			}
		}
		return total
	}
	for _, name := range structs {
		ofLedger(name, func(l *ledger.Ledger) float64 {
			return objects(l, func(holds []string) bool { return holds[0] == name })
		})
	}
	ofLedger("others", func(l *ledger.Ledger) float64 {
		return objects(l, func(holds []string) bool { return !slices.Contains(structs, holds[0]) })
	})
	ofStep := func(column, name string, of func(ledger.Step) float64) {
		ofLedger(column, func(l *ledger.Ledger) float64 {
			s, _ := l.Step(name) // one that it does not have is nothing
			return of(s)
		})
	}
	bytes := func(s ledger.Step) float64 { return s.Bytes }
	ofStep("memcg", ledger.StepPointers, bytes)
	ofStep("stack", ledger.StepStack, bytes)
	ofStep("unexplained", ledger.StepCharge, func(s ledger.Step) float64 { return s.Rest })
	column("charged", func(s Summary) (float64, bool) { return bytesOf(s.Charge()) })
	column("pages", func(s Summary) (float64, bool) { return bytesOf(s.Slab()) })
	return t
}

func bytesOf(e *stats.Estimate) (float64, bool) {
	if e == nil || !e.AboveNoise() {
		return 0, false
	}
	return e.PerZombie, true
}

// growth says which releases of a line changed what a zombie is charged, and how the
// oldest and the newest differ.
func (line releases) growth(ledgers map[*stats.Group]*ledger.Ledger) []Section {
	between := func(old, new int) *difference.Difference {
		was, is := ledgers[line[old].Group], ledgers[line[new].Group]
		if was == nil || is == nil {
			return nil
		}
		return difference.Of(was, is)
	}
	last := len(line) - 1
	whole := between(0, last)
	if whole == nil {
		return nil
	}
	name := line.name()
	changes := Section{Heading: name + ", release by release"}
	for _, i := range line.changes() {
		if d := between(i-1, i); d != nil {
			changes.Facts = append(changes.Facts, differenceSentence(d))
		}
	}
	if changes.Facts == nil {
		changes.Facts = []string{fmt.Sprintf("Nothing changed from %s to %s.", line[0].Label("kernel"), line[last].Label("kernel"))}
	}
	sections := differenceSections(whole)
	if math.Abs(whole.Charge.Whole.By()) < 1 {
		return []Section{changes}
	}
	sections[0].Heading = name + ", from the oldest to the newest"
	for i := range sections[1:] {
		fields := &sections[1+i]
		for j := range fields.Tables {
			fields.Tables[j].Rows = slices.DeleteFunc(fields.Tables[j].Rows, func(row []Cell) bool {
				by := row[len(row)-1].Value
				return by != nil && math.Abs(*by) < listed && !strings.HasPrefix(row[1].Text, "=")
			})
		}
		fields.Notes = append(fields.Notes, fmt.Sprintf("members that changed by less than %d B are left out; zombench explain OLD NEW lists them", listed))
	}
	if len(line) == 2 {
		return sections
	}
	return append([]Section{changes}, sections...)
}

// listed is by how many bytes a member has to change to be listed among many.
const listed = 16
