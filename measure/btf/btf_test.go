package btf

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cilium "github.com/cilium/ebpf/btf"

	"zombench/measure"
)

func kernel(t *testing.T) *Types {
	t.Helper()
	types, err := Load(measure.Host())
	if errors.Is(err, measure.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// typesFS writes BTF where a kernel has it.
func typesFS(t *testing.T, blob []byte) measure.FS {
	t.Helper()
	fs := measure.FS{Sys: t.TempDir()}
	dir := filepath.Join(fs.Sys, "kernel", "btf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vmlinux"), blob, 0o644); err != nil {
		t.Fatal(err)
	}
	return fs
}

// marshalled is a BTF of some types.
func marshalled(t *testing.T, types ...cilium.Type) []byte {
	t.Helper()
	builder, err := cilium.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := builder.Marshal(nil, &cilium.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestLoad(t *testing.T) {
	long := &cilium.Int{Name: "long", Size: 8}
	blob := marshalled(t,
		&cilium.Struct{Name: "task_struct", Size: 24, Members: []cilium.Member{
			{Name: "thread_info", Type: long},
			{Name: "usage", Type: long, Offset: 64},
			{Name: "stack", Type: long, Offset: 128},
		}},
		&cilium.Enum{Name: "state", Size: 4},
	)
	fs := typesFS(t, blob)
	types, err := Load(fs)
	if err != nil {
		t.Fatal(err)
	}
	if size := types.StructSize("task_struct"); size != 24 || types.Err() != nil {
		t.Errorf("size of task_struct: %d, %v; want 24", size, types.Err())
	}
	for member, want := range map[string]bool{"thread_info": true, "pids": false} {
		if got := types.Has("task_struct." + member); got != want {
			t.Errorf("has member %s: %v, want %v", member, got, want)
		}
	}
	for _, name := range []string{"nonsense", "state", "long"} { // absent, or no struct
		types, err := Load(fs)
		if err != nil {
			t.Fatal(err)
		}
		if size := types.StructSize(name); size != 0 || !errors.Is(types.Err(), measure.ErrNotSupported) {
			t.Errorf("size of %s: %d, %v; want measure.ErrNotSupported", name, size, types.Err())
		}
	}
}

func TestLoadFails(t *testing.T) {
	if _, err := Load(measure.FS{Sys: t.TempDir()}); !errors.Is(err, measure.ErrNotSupported) {
		t.Errorf("without BTF: %v, want measure.ErrNotSupported", err)
	}
	if _, err := Load(typesFS(t, []byte("no such format"))); !errors.Is(err, measure.ErrMalformed) {
		t.Errorf("nonsense: %v, want measure.ErrMalformed", err)
	}
}

// A struct can be no larger than the objects that the kernel allots for it.
// (That of tasks can: the registers at its end are cut to those that the CPU has.)
func TestSizeOnThisKernel(t *testing.T) {
	size := uint64(kernel(t).StructSize("sighand_struct"))
	if os.Geteuid() != 0 {
		t.Skip("needs root for the sizes of slab objects")
	}
	cache, err := measure.Host().SlabCache("sighand_cache")
	if err != nil {
		t.Fatal(err)
	}
	if size < 1000 || size > cache.ObjectSize {
		t.Errorf("struct sighand_struct is %d bytes, its objects have %d", size, cache.ObjectSize)
	}
}

// Another parser of BTF says the same of every member of some structs of this
// kernel.
func TestMembersAsCilium(t *testing.T) {
	types := kernel(t)
	spec, err := cilium.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	var compare func(path string, base uint32, members []cilium.Member)
	compare = func(path string, base uint32, members []cilium.Member) {
		for _, m := range members {
			offset := base + m.Offset.Bytes()
			typ := cilium.UnderlyingType(m.Type)
			if m.Name == "" {
				switch inner := typ.(type) {
				case *cilium.Struct:
					compare(path, offset, inner.Members)
				case *cilium.Union:
					compare(path, offset, inner.Members)
				}
				continue
			}
			if m.BitfieldSize > 0 {
				if types.Has(path + "." + m.Name) {
					t.Errorf("%s.%s is a bit field", path, m.Name)
				}
				continue
			}
			got, size, ok := types.find(path + "." + m.Name)
			if !ok || got != offset {
				t.Errorf("%s.%s is at %d (%v), want %d", path, m.Name, got, ok, offset)
			}
			want, err := cilium.Sizeof(typ)
			if _, array := typ.(*cilium.Array); err == nil && !array && (want == 1 || want == 2 || want == 4 || want == 8) && int(size) != want {
				t.Errorf("%s.%s has %d bytes, want %d", path, m.Name, size, want)
			}
			compared++
		}
	}
	for _, name := range []string{"task_struct", "signal_struct", "pid", "upid", "cgroup", "css_set", "kernfs_node", "bpf_iter_meta"} {
		var s *cilium.Struct
		if err := spec.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		compare(name, 0, s.Members)
		if got := types.StructSize(name); got != s.Size {
			t.Errorf("struct %s has %d bytes, want %d", name, got, s.Size)
		}
	}
	if compared < 200 || types.Err() != nil {
		t.Errorf("%d members compared, %v", compared, types.Err())
	}
}

// What is missing is kept.
func TestMissing(t *testing.T) {
	types := kernel(t)
	if types.Has("task_struct.no_such_member") || types.Has("no_such_struct.x") || types.Err() != nil {
		t.Fatal(types.Err())
	}
	types.Member("task_struct.no_such_member")
	if err := types.Err(); !errors.Is(err, measure.ErrNotSupported) || !strings.Contains(err.Error(), "task_struct.no_such_member") {
		t.Error(err)
	}
}

// build makes a BTF of types that are given as words.
func build(names string, words ...uint32) []byte {
	b := make([]byte, 24)
	o := binary.LittleEndian
	o.PutUint16(b, 0xeb9f)
	b[2] = 1
	o.PutUint32(b[4:], 24)
	o.PutUint32(b[12:], uint32(4*len(words)))
	o.PutUint32(b[16:], uint32(4*len(words)))
	o.PutUint32(b[20:], uint32(len(names)))
	for _, w := range words {
		b = o.AppendUint32(b, w)
	}
	return append(b, names...)
}

// FuzzParse looks up members in whatever bytes.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(build("\x00a\x00b\x00", 1, 4<<24|1, 8, 3, 2, 0, 0, 2<<24, 0))
	f.Add(build("\x00a\x00b\x00", 1, 4<<24|1, 8, 3, 1, 0))   // a struct in itself
	f.Add(build("\x00a\x00b\x00", 1, 4<<24|1, 8, 0, 1, 0))   // without a name
	f.Add(build("\x00a\x00b\x00", 1, 8<<24, 1, 1, 4<<24, 8)) // a typedef of itself
	f.Add(build("\x00a\x00b\x00", 1, 6<<24|1, 4, 3, 7))      // an enum
	f.Add(build("\x00a\x00b\x00", 1, 4<<24|200, 8, 3, 2, 0)) // cut short
	f.Fuzz(func(t *testing.T, data []byte) {
		types, err := parse(data)
		if err != nil {
			return
		}
		for _, path := range []string{"a", "a.b", "a.b.b", "b.a"} {
			types.Has(path)
		}
		types.StructSize("a")
		types.Constant("a", "b")
	})
}
