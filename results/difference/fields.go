package difference

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/ledger"
)

// A Struct is how a C struct of a zombie changed: its fields add up to the change of
// the object that it lies in.
type Struct struct {
	Change          // of the object, padded
	Fields []Change // members that came (Old is 0), went (New is 0) and changed, the largest change first
	Others []Change // holes, what depends on the processor, what is behind the struct
}

// What an object has besides the members that all machines have.
const (
	Holes     = "holes between members"
	Registers = "registers of the processor (thread, and behind the struct)"
	Behind    = "behind the struct"
	Alignment = "alignment of the object"
)

// cpuMember is the member of task_struct that depends on the processor. On x86 it
// ends in the registers, of which the kernel allots what the processor has (before
// Linux 6.16), or they lie behind the struct.
const cpuMember = "thread"

// structs compares the structs whose layout both sides know.
func structs(old, new *ledger.Ledger) []Struct {
	var all []Struct
	for _, name := range results.StructsOfZombies() {
		was, ok1 := objectOf(old, name)
		is, ok2 := objectOf(new, name)
		if ok1 && ok2 {
			all = append(all, compare(name, was, is))
		}
	}
	return all
}

// An object is a struct in its slab cache.
type object struct {
	results.Layout
	used, size float64 // bytes asked for, and padded
}

// objectOf finds the object of a struct of which a zombie has one.
func objectOf(l *ledger.Ledger, name string) (o object, ok bool) {
	if o.Layout, ok = l.Kernel.Layout(name); !ok {
		return o, false
	}
	for _, c := range counted(l) {
		if slices.ContainsFunc(c.Use, func(u ledger.Use) bool { return u.Struct == name }) {
			o.size = float64(c.Size)
			o.used = float64(cmp.Or(c.Used, c.Size))
			return o, true
		}
	}
	return o, false
}

func compare(name string, old, new object) Struct {
	s := Struct{Change: Change{name, old.size, new.size}}
	var members []Change
	holes, registers, behind := Change{Name: Holes}, Change{Name: Registers}, Change{Name: Behind}
	for side, o := range []object{old, new} {
		rest := o.used
		for _, m := range o.Members {
			bytes := float64(m.Bits) / 8
			rest -= bytes
			switch {
			case m.Name == "":
				*holes.on(side) += bytes
			case name == "task_struct" && m.Name == cpuMember:
				*registers.on(side) += bytes
			default:
				*part(&members, m.Name).on(side) += bytes
			}
		}
		if name == "task_struct" {
			*registers.on(side) += rest
		} else {
			*behind.on(side) += rest
		}
	}
	s.Fields = slices.DeleteFunc(members, unchanged)
	slices.SortStableFunc(s.Fields, func(a, b Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.By()), math.Abs(a.By())), cmp.Compare(a.Name, b.Name))
	})
	alignment := Change{Alignment, old.size - old.used, new.size - new.used}
	s.Others = slices.DeleteFunc([]Change{holes, registers, behind, alignment}, unchanged)
	return s
}

func unchanged(c Change) bool { return c.By() == 0 }

// Whole returns the objects that zombies of one side alone have: with them, all of
// their members came or went.
func (d *Difference) Whole() []Change {
	return slices.DeleteFunc(caches(d.Old, d.New), func(c Change) bool {
		return (c.Old == 0) == (c.New == 0) || strings.HasPrefix(c.Name, ledger.General)
	})
}

// ByField returns how much of the difference of the charge the fields explain, in
// bytes, and of how much.
func (d *Difference) ByField() (explained, of float64) {
	for _, s := range d.Structs {
		explained += s.By()
	}
	for _, c := range d.Whole() {
		explained += c.By()
	}
	return explained, d.Charge.Whole.By()
}
