package report

import (
	"cmp"
	"math"
	"slices"

	"zombench/results"
	"zombench/results/difference"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// The labels of a system that whoever boots a guest can choose: the parameters
// of its kernel, and the CPU, whose registers each task has room for.
const (
	appendKey = "append"
	cpuKey    = "cpu"
)

// Options say what a kernel's parameters and the CPU cost a zombie, where a kernel
// was measured with some and without: a table for each kernel.
func (r *Report) Options() (sections []Section) {
	kernel := func(s Summary) string {
		return stats.KeyOf(slices.DeleteFunc(slices.Clone(s.Labels), func(p results.Param) bool { return p.Key == appendKey || p.Key == cpuKey }))
	}
	for _, same := range stats.Together(r.Summaries, kernel) {
		i := plainest(same)
		if i < 0 || !slices.ContainsFunc(same, func(s Summary) bool { return s.Label(appendKey) != "" }) {
			continue
		}
		t, why := optionsTable(same[i], slices.Delete(slices.Clone(same), i, i+1))
		sections = append(sections, Section{
			Heading: "What each option costs a zombie, " + systemOf(same[i].Labels),
			Tables:  []Table{t},
			Notes:   []string{"bytes a zombie with each option, and beyond what it holds without: charged to its cgroup, and slab pages; " + why},
		})
	}
	return sections
}

// plainest finds the run without parameters on the CPU that most runs had; -1 if
// there is none.
func plainest(same []Summary) int {
	best, most := -1, 0
	for i, s := range same {
		n := 0
		for _, other := range same {
			if other.Label(cpuKey) == s.Label(cpuKey) {
				n++
			}
		}
		if s.Label(appendKey) == "" && n > most {
			best, most = i, n
		}
	}
	return best
}

// optionsTable compares each of some to the plain one, and says where it is said
// what the difference consists of.
func optionsTable(plain Summary, some []Summary) (t Table, why string) {
	by := func(s Summary, of func(Summary) *stats.Estimate) float64 {
		was, ok1 := bytesOf(of(plain))
		is, ok2 := bytesOf(of(s))
		if !ok1 || !ok2 {
			return math.NaN()
		}
		return is - was
	}
	slices.SortStableFunc(some, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(by(b, Summary.Charge), by(a, Summary.Charge)), cmp.Compare(by(b, Summary.Slab), by(a, Summary.Slab)))
	})
	rows := append([]Summary{plain}, some...)
	t = newTable([]string{"option"}, rows, func(s Summary) []string { return []string{optionOf(plain, s)} })
	for _, c := range []struct {
		name string
		of   func(Summary) *stats.Estimate
	}{{"charged", Summary.Charge}, {"pages", Summary.Slab}} {
		t.add(Column{Name: c.name, Unit: "B"}, func(i int) Cell {
			e := c.of(rows[i])
			if e == nil {
				return Words("-")
			}
			return estimateCell(*e)
		})
		t.add(Column{Name: "beyond", Unit: "B"}, func(i int) Cell {
			d := by(rows[i], c.of)
			if i == 0 || math.IsNaN(d) {
				return Words("")
			}
			return signedCell(d)
		})
	}
	old, err := ledger.Of(plain.Group, nil)
	if err != nil {
		return t, "zombench explain names the parts of a difference, given two of the files"
	}
	t.add(Column{Name: "parts", Left: true}, func(i int) Cell {
		if i == 0 || math.IsNaN(by(rows[i], Summary.Charge)) {
			return Words("")
		}
		is, err := ledger.Of(rows[i].Group, nil)
		if err != nil {
			return Words("")
		}
		return Words(largest(difference.Of(old, is).Charge.Parts))
	})
	return t, "parts: of what is charged beyond"
}

// optionOf names what is different from the plain one.
func optionOf(plain, s Summary) string {
	option := s.Label(appendKey)
	if cpu := s.Label(cpuKey); cpu != plain.Label(cpuKey) {
		if option != "" {
			option += ", "
		}
		option += "CPU " + cpu
	}
	return cmp.Or(option, "(none)")
}
