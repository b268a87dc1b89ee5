package btf

import (
	"slices"
	"testing"

	cilium "github.com/cilium/ebpf/btf"
)

// Every member, bit field, union and hole of a struct has its place, and together
// they are the struct.
func TestLayout(t *testing.T) {
	word := &cilium.Int{Name: "int", Size: 4}
	byte1 := &cilium.Int{Name: "char", Size: 1}
	blob := marshalled(t,
		&cilium.Int{Name: "long unsigned int", Size: 8},
		&cilium.Struct{Name: "all", Size: 64, Members: []cilium.Member{
			{Name: "first", Type: byte1},
			{Name: "ints", Type: &cilium.Array{Type: &cilium.Typedef{Name: "t", Type: word}, Index: word, Nelems: 3}, Offset: 32},
			{Name: "flag", Type: word, Offset: 128, BitfieldSize: 1},
			{Name: "flags", Type: word, Offset: 129, BitfieldSize: 3},
			{Type: &cilium.Struct{Size: 8, Members: []cilium.Member{{Name: "in", Type: word}, {Name: "side", Type: byte1, Offset: 32}}}, Offset: 192},
			{Type: &cilium.Union{Size: 8, Members: []cilium.Member{{Name: "one", Type: word}, {Name: "other", Type: &cilium.Pointer{Target: word}}}}, Offset: 256},
			{Name: "nothing", Type: &cilium.Array{Type: word, Index: word}, Offset: 320},
			{Name: "last", Type: &cilium.Pointer{Target: word}, Offset: 320},
		}},
	)
	types, err := parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	want := []Member{{"first", 8}, {"", 24}, {"ints", 96}, {"flag", 1}, {"flags", 3}, {"", 60}, {"in", 32}, {"side", 8}, {"", 24},
		{"one|other", 64}, {"last", 64}, {"", 128}}
	if got := types.Layout("all"); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := types.Layout("none"); got != nil {
		t.Errorf("a struct that is not there: %v", got)
	}
}

// Another parser of BTF says the same of this kernel's structs.
func TestLayoutAsCilium(t *testing.T) {
	types := kernel(t)
	spec, err := cilium.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"task_struct", "signal_struct", "sighand_struct", "cred", "pid"} {
		var s *cilium.Struct
		if err := spec.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		at := make(map[string]uint32) // bits
		end := uint32(0)
		named := 0
		for _, m := range types.Layout(name) {
			if at[m.Name] = end; m.Name != "" {
				named++
			}
			end += m.Bits
		}
		if end != 8*s.Size || named < 4 {
			t.Errorf("%s: %d bits in %d members, want %d", name, end, named, 8*s.Size)
		}
		for _, m := range s.Members {
			size, err := cilium.Sizeof(m.Type)
			if m.Name == "" || err == nil && size == 0 {
				continue
			}
			if got, ok := at[m.Name]; !ok || got != uint32(m.Offset) {
				t.Errorf("%s.%s is at bit %d (%v), want %d", name, m.Name, got, ok, m.Offset)
			}
		}
	}
}
