// Package difference says why one kernel's zombies are larger than another's: which slab
// caches, what the kernel keeps beside their objects, and which members of the
// structs came, went and changed.
//
// In flow two ledgers, with the layouts of structs that their files carry; out flow
// differences that add up to what was measured, and what no part explains is one of
// them. It is not for ledgers themselves (package ledger), nor for whether a
// difference is chance: that is for package stats.
package difference

import (
	"slices"
	"strings"

	"zombench/results/ledger"
	"zombench/results/stats"
)

// A Difference is between two ledgers, of an old kernel and a new one.
type Difference struct {
	Old, New *ledger.Ledger
	Charge   Account  // what the cgroup of a zombie is charged
	Pages    Account  // the slab pages that a zombie takes
	Structs  []Struct // by field, of those whose layout both files have
}

// An Account is parts, which add up to what was measured.
type Account struct {
	Parts []Change
	Whole Change // measured
}

// A Change is in bytes a zombie.
type Change struct {
	Name     string
	Old, New float64
}

// By is the difference.
func (c Change) By() float64 { return c.New - c.Old }

// on is the number of a side, 0 the old and 1 the new one.
func (c *Change) on(side int) *float64 { return []*float64{&c.Old, &c.New}[side] }

// Unexplained is the part that nothing explains.
const Unexplained = "unexplained"

// Of compares two ledgers.
func Of(old, new *ledger.Ledger) *Difference {
	d := &Difference{Old: old, New: new}
	// A stack is charged, and does not lie in slabs.
	d.Charge = account(old, new, ledger.StepCharge, "")
	d.Pages = account(old, new, ledger.StepPages, ledger.StepStack)
	d.Structs = structs(old, new)
	return d
}

// account follows the steps of both ledgers up to one that was measured, without
// one of them.
func account(old, new *ledger.Ledger, upTo, without string) Account {
	a := Account{Whole: Change{Name: upTo}, Parts: caches(old, new)}
	rest := Change{Name: Unexplained}
	for side, l := range []*ledger.Ledger{old, new} {
		inCaches := 0.0
		for _, c := range a.Parts {
			inCaches += *c.on(side)
		}
		for _, s := range l.Steps {
			if s.Name == upTo && s.Kind == ledger.Measured {
				*a.Whole.on(side), *rest.on(side) = s.Bytes, s.Rest
				break
			}
			if s.Kind != ledger.Part || s.Name == without {
				continue
			}
			if s.Name == ledger.StepObjects {
				s.Name, s.Bytes = "objects of other caches", s.Bytes-inCaches
			}
			*part(&a.Parts, s.Name).on(side) += s.Bytes
		}
	}
	a.Parts = append(a.Parts, rest)
	a.Parts = slices.DeleteFunc(a.Parts, func(c Change) bool { return c.Old == 0 && c.New == 0 })
	return a
}

// part returns the part of a name.
func part(parts *[]Change, name string) *Change {
	i := slices.IndexFunc(*parts, func(c Change) bool { return c.Name == name })
	if i < 0 {
		i = len(*parts)
		*parts = append(*parts, Change{Name: name})
	}
	return &(*parts)[i]
}

// caches compares the slab caches of charged objects. Kernels merge caches in
// different ways, and call them by different names: those that hold the same things
// on either side are one change.
func caches(old, new *ledger.Ledger) []Change {
	type holder struct {
		names    []string
		old, new float64
	}
	var all []holder
	add := func(c ledger.Cache, old, new float64) {
		h := holder{c.Holds(), old, new}
		all = slices.DeleteFunc(all, func(other holder) bool {
			if !slices.ContainsFunc(other.names, func(n string) bool { return slices.Contains(h.names, n) }) {
				return false
			}
			h.old, h.new = h.old+other.old, h.new+other.new
			h.names = stats.AddNew(h.names, other.names...)
			return true
		})
		all = append(all, h)
	}
	for _, c := range counted(old) {
		add(c, c.AccountedBytes(), 0)
	}
	for _, c := range counted(new) {
		add(c, 0, c.AccountedBytes())
	}
	var changes []Change
	for _, h := range all {
		slices.Sort(h.names)
		changes = append(changes, Change{strings.Join(h.names, ", "), h.old, h.new})
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return int(max(b.Old, b.New) - max(a.Old, a.New)) })
	return changes
}

// counted returns the caches whose objects a zombie is charged for.
func counted(l *ledger.Ledger) []ledger.Cache {
	return slices.DeleteFunc(slices.Clone(l.Caches), func(c ledger.Cache) bool { return c.Accounted() == 0 })
}
