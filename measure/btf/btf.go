// Package btf reads what a kernel says of its own C types, in BTF
// (https://docs.kernel.org/bpf/btf.html): the sizes and the members of its
// structs.
//
// It is apart from package measure since it links a parser of its own, which
// nobody needs who reads only /proc.
package btf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cilium/ebpf/btf"

	"zombench/measure"
)

// Types are the C types of a kernel. They are not for use by several goroutines at once.
type Types struct{ spec *btf.Spec }

// Load reads /sys/kernel/btf/vmlinux (Linux 5.4, CONFIG_DEBUG_INFO_BTF). It
// takes some milliseconds and megabytes: not for use during a measurement.
func Load(host measure.FS) (*Types, error) {
	path := filepath.Join(host.Sys, "kernel", "btf", "vmlinux")
	spec, err := btf.LoadSpec(path)
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The whole directory is missing, not the file alone.
		return nil, fmt.Errorf("reading the types of the kernel (CONFIG_DEBUG_INFO_BTF): %w: %w", measure.ErrNotSupported, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("reading the types of the kernel: %w: %w", measure.ErrNotPermitted, err)
	case errors.As(err, &pe):
		return nil, fmt.Errorf("reading the types of the kernel: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w", path, measure.ErrMalformed, err)
	}
	return &Types{spec}, nil
}

// StructSize returns sizeof(struct name) in bytes; measure.ErrNotSupported if the
// kernel has no such type. A struct that ends in an array of no fixed length
// (struct pid's numbers) counts without it.
func (t *Types) StructSize(name string) (uint64, error) {
	s, err := t.structure(name)
	if err != nil {
		return 0, err
	}
	return uint64(s.Size), nil
}

// HasMember reports whether struct name has a member of its own of that name.
func (t *Types) HasMember(name, member string) (bool, error) {
	s, err := t.structure(name)
	if err != nil {
		return false, err
	}
	for _, m := range s.Members {
		if m.Name == member {
			return true, nil
		}
	}
	return false, nil
}

// structure finds a struct. Parts of the kernel may mean different things by
// one name; the first is the one that the core knows.
func (t *Types) structure(name string) (*btf.Struct, error) {
	types, err := t.spec.AnyTypesByName(name)
	if err != nil && !errors.Is(err, btf.ErrNotFound) {
		return nil, fmt.Errorf("struct %s: %w: %w", name, measure.ErrMalformed, err)
	}
	for _, typ := range types {
		if s, ok := typ.(*btf.Struct); ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("struct %s: %w", name, measure.ErrNotSupported)
}
