package btf

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"

	"zombench/measure"
)

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

func TestTypes(t *testing.T) {
	long := &btf.Int{Name: "long", Size: 8}
	builder, err := btf.NewBuilder([]btf.Type{
		&btf.Struct{Name: "task_struct", Size: 24, Members: []btf.Member{
			{Name: "thread_info", Type: long},
			{Name: "usage", Type: long, Offset: 64},
			{Name: "stack", Type: long, Offset: 128},
		}},
		&btf.Enum{Name: "state", Size: 4},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := builder.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	types, err := Load(typesFS(t, blob))
	if err != nil {
		t.Fatal(err)
	}
	if size, err := types.StructSize("task_struct"); size != 24 || err != nil {
		t.Errorf("size of task_struct: %d, %v; want 24", size, err)
	}
	for _, name := range []string{"nonsense", "state", "long"} { // absent, or no struct
		if size, err := types.StructSize(name); !errors.Is(err, measure.ErrNotSupported) {
			t.Errorf("size of %s: %d, %v; want measure.ErrNotSupported", name, size, err)
		}
	}
	for member, want := range map[string]bool{"thread_info": true, "pids": false} {
		if got, err := types.HasMember("task_struct", member); got != want || err != nil {
			t.Errorf("has member %s: %v, %v; want %v", member, got, err, want)
		}
	}
}

func TestTypesMissing(t *testing.T) {
	if _, err := Load(measure.FS{Sys: t.TempDir()}); !errors.Is(err, measure.ErrNotSupported) {
		t.Errorf("without BTF: %v, want measure.ErrNotSupported", err)
	}
	if _, err := Load(typesFS(t, []byte("no such format"))); !errors.Is(err, measure.ErrMalformed) {
		t.Errorf("nonsense: %v, want measure.ErrMalformed", err)
	}
}

// A struct can be no larger than the objects that the kernel allots for it.
func TestTypesOfThisKernel(t *testing.T) {
	types, err := Load(measure.Host())
	if errors.Is(err, measure.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	size, err := types.StructSize("task_struct")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root for the sizes of slab objects")
	}
	cache, err := measure.Host().SlabCache("task_struct")
	if err != nil {
		t.Fatal(err)
	}
	if size < 1000 || size > cache.ObjectSize {
		t.Errorf("struct task_struct is %d bytes, its objects have %d", size, cache.ObjectSize)
	}
}
