package btf

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// A Member is what a struct has in one place.
type Member struct {
	Name string // "" is a hole; of a union without a name, its members' names with | between
	Bits uint32
}

// Layout returns what a struct is made of, in the order of memory: its members,
// those of structs without a name in it, and the holes, so that it adds up to the
// struct's size. It is nil if the kernel has no such struct.
func (t *Types) Layout(name string) []Member {
	id := t.id(kindStruct, name)
	if id == 0 {
		return nil
	}
	var placed []place
	t.place(&placed, id, 0, 0)
	slices.SortStableFunc(placed, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	var all []Member
	end := uint32(0)
	for _, p := range append(placed, place{at: 8 * t.sizeof(id)}) {
		if p.at > end {
			all = append(all, Member{Bits: p.at - end})
		}
		if p.Bits > 0 {
			all = append(all, p.Member)
		}
		end = max(end, p.at+p.Bits)
	}
	return all
}

// A place is where a member is.
type place struct {
	Member
	at uint32 // bits
}

// place adds the members of a struct that begins at some bit.
func (t *Types) place(to *[]place, id, base uint32, depth int) {
	at, _, _ := t.resolve(id)
	_, members := t.head(at)
	bitfields := t.u32(at+4)>>31 != 0
	for i := range members {
		m := at + 12 + 12*i
		p := place{Member{t.name(t.u32(m)), 0}, t.u32(m + 8)}
		typ := t.u32(m + 4)
		if bitfields {
			p.Bits, p.at = p.at>>24, p.at&(1<<24-1)
		}
		inner, k, ok := t.resolve(typ)
		switch {
		case p.Bits > 0:
		case p.Name == "" && ok && k == kindStruct && depth < 16:
			t.place(to, typ, base+p.at, depth+1)
			continue
		case p.Name == "" && ok && k == kindUnion:
			p.Name = t.namesIn(inner, depth)
			fallthrough
		default:
			p.Bits = 8 * t.sizeof(typ)
		}
		if p.Name != "" { // without one it is padding
			p.at += base
			*to = append(*to, p)
		}
	}
}

// namesIn returns the names of a union's members, and of those without a name in
// it.
func (t *Types) namesIn(at uint32, depth int) string {
	var names []string
	_, members := t.head(at)
	for i := range members {
		m := at + 12 + 12*i
		name := t.name(t.u32(m))
		if inner, _, ok := t.resolve(t.u32(m + 4)); name == "" && ok && depth < 16 {
			name = t.namesIn(inner, depth+1)
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

func (t *Types) name(offset uint32) string {
	if uint64(offset) >= uint64(len(t.strings)) {
		return ""
	}
	name, _, _ := bytes.Cut(t.strings[offset:], []byte{0})
	return string(name)
}

// sizeof returns the size of a type in bytes, 0 of one that has none.
func (t *Types) sizeof(id uint32) uint32 {
	n := uint32(1)
	for range 64 {
		at, k, ok := t.resolve(id)
		switch {
		case !ok:
			return 0
		case k == kindArray:
			id, n = t.u32(at+12), n*t.u32(at+20)
		case k == kindPtr:
			return n * t.pointerBytes()
		case k == kindInt || k == kindStruct || k == kindUnion || k == kindEnum || k == kindEnum64 || k == kindFloat:
			return n * t.u32(at+8)
		default:
			return 0
		}
	}
	return 0
}

// pointerBytes is the size of a pointer: that of a long.
func (t *Types) pointerBytes() uint32 {
	if long := t.id(kindInt, "long unsigned int"); long != 0 {
		return t.u32(t.at[long] + 8)
	}
	return 8
}
