package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"zombench/results/difference"
)

// differenceSections say why the zombies of one ledger are larger than those of
// another.
func differenceSections(d *difference.Difference) []Section {
	old, new := sidesOf(d)
	charge := Section{Heading: "What differs", Facts: []string{differenceSentence(d)}, Tables: []Table{changeTable("bytes a zombie", old, new, d.Charge, d.Pages)}}
	sections := []Section{charge}
	if len(d.Structs) == 0 {
		sections[0].Notes = []string{"without fields: a file does not say what the structs of its kernel are made of (BTF)"}
		return sections
	}
	explained, of := d.ByField()
	fields := Section{Tables: []Table{fieldTable(old, new, d.Structs)}}
	fact := "By field, the structs that both kernels describe "
	if whole := largest(d.Whole()); whole != "" {
		fact += fmt.Sprintf("(and objects that one of them has: %s) ", whole)
	}
	fact += "explain " + signed(explained)
	if math.Abs(of) >= 1 {
		fact += fmt.Sprintf(" of the %s that are charged: %.1f %%", signed(of), 100*explained/of)
	}
	fields.Facts = []string{fact + "."}
	return append(sections, fields)
}

// sidesOf names both sides by what differs.
func sidesOf(d *difference.Difference) (old, new string) {
	names := ledgersApart(d.Old, d.New)
	return cmp.Or(strings.TrimSpace(names[0]), "the first"), cmp.Or(strings.TrimSpace(names[1]), "the second")
}

// differenceSentence is the difference in one sentence, the largest parts first.
func differenceSentence(d *difference.Difference) string {
	old, new := sidesOf(d)
	text := fmt.Sprintf("Charged for a zombie: %s B on %s, %s B on %s, %s", rounded(d.Charge.Whole.Old), old, rounded(d.Charge.Whole.New), new, signed(d.Charge.Whole.By()))
	if parts := largest(d.Charge.Parts); parts != "" {
		text += ": " + parts
	}
	text += fmt.Sprintf(". Slab pages of a zombie: %s", signed(d.Pages.Whole.By()))
	beyond := slices.DeleteFunc(slices.Clone(d.Pages.Parts), func(c difference.Change) bool {
		return slices.ContainsFunc(d.Charge.Parts, func(charged difference.Change) bool {
			return charged.Name == c.Name && c.Name != difference.Unexplained
		})
	})
	if parts := largest(beyond); parts != "" {
		text += ", with " + parts + " besides"
	}
	return text + "."
}

// largest lists the changes of at least a byte.
func largest(parts []difference.Change) string {
	some := slices.DeleteFunc(slices.Clone(parts), func(c difference.Change) bool { return math.Abs(c.By()) < 1 })
	slices.SortStableFunc(some, func(a, b difference.Change) int { return cmp.Compare(math.Abs(b.By()), math.Abs(a.By())) })
	var words []string
	for _, c := range some {
		words = append(words, c.Name+" "+signed(c.By()))
	}
	return strings.Join(words, ", ")
}

func signed(bytes float64) string { return fmt.Sprintf("%+.0f B", math.Round(bytes)+0) } // no -0

func signedCell(bytes float64) Cell { return Number(bytes, strings.TrimSuffix(signed(bytes), " B")) }

func rounded(bytes float64) string { return fmt.Sprintf("%.0f", math.Round(bytes)+0) } // no -0

// changeTable has a row for each part of accounts, each of which ends in what was
// measured. What is a part of an earlier account is not repeated.
func changeTable(name, old, new string, accounts ...difference.Account) Table {
	t := Table{Columns: []Column{{Name: name, Left: true}, {Name: old, Unit: "B"}, {Name: new, Unit: "B"}, {Name: "difference", Unit: "B"}}}
	row := func(name string, c difference.Change) {
		t.Row(name, bytesCell(c.Old), bytesCell(c.New), signedCell(c.By()))
	}
	seen := make(map[string]bool)
	for _, a := range accounts {
		for _, c := range a.Parts {
			if c.Name == difference.Unexplained || !seen[c.Name] {
				row(c.Name, c)
			}
			seen[c.Name] = true
		}
		row("= "+a.Whole.Name, a.Whole)
	}
	return t
}

// fieldTable has a row for each member that came, went or changed.
func fieldTable(old, new string, structs []difference.Struct) Table {
	t := Table{Columns: []Column{{Name: "struct", Left: true}, {Name: "member", Left: true}, {Name: old, Unit: "B"}, {Name: new, Unit: "B"}, {Name: "difference", Unit: "B"}}}
	cell := func(bytes float64, absent string) Cell {
		if bytes == 0 && absent != "" {
			return Words(absent)
		}
		return Number(bytes, fmt.Sprintf("%g", bytes)) // of bit fields parts
	}
	for _, s := range structs {
		row := func(name string, c difference.Change, noOld, noNew string) {
			t.Row(s.Name, name, cell(c.Old, noOld), cell(c.New, noNew), Number(c.By(), fmt.Sprintf("%+g", c.By())))
		}
		for _, c := range s.Fields {
			row(c.Name, c, "-", "gone")
		}
		for _, c := range s.Others {
			row(c.Name, c, "", "")
		}
		row("= its object", s.Change, "", "")
	}
	return t
}

// differenceData is a difference for programs.
func differenceData(d *difference.Difference) object {
	change := func(c difference.Change) object {
		return object{"name": c.Name, "old": c.Old, "new": c.New, "by": c.By()}
	}
	account := func(a difference.Account) object { return change(a.Whole).and(object{"parts": array(a.Parts, change)}) }
	return object{"charge_bytes": account(d.Charge), "pages_bytes": account(d.Pages), "structs": array(d.Structs, func(s difference.Struct) object {
		return change(s.Change).and(object{"members": array(s.Fields, change), "others": array(s.Others, change)})
	})}
}
