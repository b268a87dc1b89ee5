package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"zombench/measure"
)

// Types are a kernel's C types. They are not for use by several goroutines at
// once. The first member that is not found is kept, see Err.
type Types struct {
	cache *btf.Cache
	spec  *btf.Spec
	err   error
}

// Load reads the types of the running kernel (Linux 5.4, CONFIG_DEBUG_INFO_BTF):
// measure.ErrNotSupported where it tells none.
func Load() (*Types, error) {
	cache := btf.NewCache()
	spec, err := cache.Kernel()
	if err != nil {
		return nil, Classify(fmt.Errorf("reading the kernel's types: %w", err))
	}
	return &Types{cache: cache, spec: spec}, nil
}

// Err returns what Member and LoadMember could not find.
func (t *Types) Err() error { return t.err }

// Has reports whether there is such a member, see Member.
func (t *Types) Has(path string) bool {
	_, _, err := t.find(path)
	return err == nil
}

// Member returns where a member is in its struct, in bytes, and its size. The
// path is "struct.member", with the members of embedded structs behind.
func (t *Types) Member(path string) (offset uint32, size asm.Size) {
	offset, size, err := t.find(path)
	if err != nil && t.err == nil {
		t.err = err
	}
	return offset, size
}

// LoadMember is the instruction dst = src->member.
func (t *Types) LoadMember(dst, src asm.Register, path string) asm.Instruction {
	offset, size := t.Member(path)
	return asm.LoadMem(dst, src, int16(offset), size)
}

func (t *Types) find(path string) (offset uint32, size asm.Size, err error) {
	name, rest, _ := strings.Cut(path, ".")
	var s *btf.Struct
	if err := t.spec.TypeByName(name, &s); err != nil {
		return 0, 0, fmt.Errorf("struct %s: %w: %w", name, measure.ErrNotSupported, err)
	}
	var typ btf.Type = s
	for member := range strings.SplitSeq(rest, ".") {
		off, next, ok := memberOf(typ, member)
		if !ok {
			return 0, 0, fmt.Errorf("%w: the kernel has no member %s", measure.ErrNotSupported, path)
		}
		offset += off
		typ = next
	}
	n, err := btf.Sizeof(typ)
	if err != nil {
		return 0, 0, fmt.Errorf("size of %s: %w: %w", path, measure.ErrMalformed, err)
	}
	switch n {
	case 1:
		size = asm.Byte
	case 2:
		size = asm.Half
	case 4:
		size = asm.Word
	default: // 8, or an array, of which 8 bytes at a time are read
		size = asm.DWord
	}
	if offset > 1<<15-1 {
		return 0, 0, fmt.Errorf("%w: member %s is at %d, beyond what one instruction reaches", measure.ErrNotSupported, path, offset)
	}
	return offset, size, nil
}

// memberOf finds a member, within nameless structs and unions too.
func memberOf(typ btf.Type, name string) (offset uint32, member btf.Type, ok bool) {
	var members []btf.Member
	switch t := btf.UnderlyingType(typ).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name && m.BitfieldSize == 0 {
			return m.Offset.Bytes(), m.Type, true
		}
		if m.Name == "" {
			if off, typ, ok := memberOf(m.Type, name); ok {
				return m.Offset.Bytes() + off, typ, true
			}
		}
	}
	return 0, nil, false
}

// Constant returns the value of an enumerator; ok is false if the kernel has none
// of that name.
func (t *Types) Constant(enum, name string) (value uint64, ok bool) {
	var e *btf.Enum
	if t.spec.TypeByName(enum, &e) != nil {
		return 0, false
	}
	for _, v := range e.Values {
		if v.Name == name {
			return v.Value, true
		}
	}
	return 0, false
}

// StructSize returns the size of a struct in bytes.
func (t *Types) StructSize(name string) uint32 {
	var s *btf.Struct
	if err := t.spec.TypeByName(name, &s); err != nil {
		if t.err == nil {
			t.err = fmt.Errorf("struct %s: %w: %w", name, measure.ErrNotSupported, err)
		}
		return 0
	}
	return s.Size
}

// NewProgram loads a program of the tracing type: one that is attached to what
// the kernel's types name.
func (t *Types) NewProgram(name string, attach ebpf.AttachType, to string, instructions asm.Instructions) (*ebpf.Program, error) {
	if t.err != nil {
		return nil, t.err
	}
	// Up to Linux 5.10 BPF is charged to RLIMIT_MEMLOCK. If it is not raised,
	// loading says so.
	_ = rlimit.RemoveMemlock()
	// A collection, since that alone shares the types that were read already.
	c, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{name: {
		Name: name, Type: ebpf.Tracing, AttachType: attach, AttachTo: to,
		Instructions: instructions, License: "GPL", // of the helpers that it calls
	}}}, ebpf.CollectionOptions{Cache: t.cache})
	if err != nil {
		return nil, Classify(fmt.Errorf("loading the BPF program %s: %w", name, err))
	}
	p := c.DetachProgram(name)
	c.Close()
	return p, nil
}

// AttachTracepoint attaches a program that was loaded for ebpf.AttachTraceRawTp.
func AttachTracepoint(p *ebpf.Program) (link.Link, error) {
	l, err := link.AttachTracing(link.TracingOptions{Program: p})
	if err != nil {
		return nil, Classify(fmt.Errorf("attaching %v: %w", p, err))
	}
	return l, nil
}

// Classify gives an error of bpf(2) the kind that callers decide by. One that is
// of neither kind says nothing of the kernel: the check itself could not be made.
func Classify(err error) error {
	switch {
	case err == nil, errors.Is(err, measure.ErrNotPermitted), errors.Is(err, measure.ErrNotSupported):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: needs CAP_BPF and CAP_PERFMON: %w", measure.ErrNotPermitted, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, btf.ErrNotFound), errors.Is(err, unix.ENOSYS), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", measure.ErrNotSupported, err)
	}
	return err
}
