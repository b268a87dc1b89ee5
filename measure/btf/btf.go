// Package btf reads a kernel's own description of its C types, its BTF: where a
// member of a struct is, what a struct is made of. In flows /sys/kernel/btf/vmlinux;
// out flow offsets and sizes. It is not for values: those are read by the programs of
// package bpf.
package btf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// Types are a kernel's C types: its BTF (https://docs.kernel.org/bpf/btf.html), of
// which only what is asked for is decoded. A parser that builds all of them
// (cilium/ebpf/btf) takes longer than all else that ps does. They are not for use
// by several goroutines at once. The first member that is not found is kept, see
// Err.
type Types struct {
	types   []byte
	strings []byte
	at      []uint32 // where each type begins, by its number; that of 0 is void
	ids     map[named]uint32
	err     error
	mapped  []byte // nil if it was read
}

type named struct {
	kind kind
	name string
}

type kind uint8

const (
	kindInt      kind = 1
	kindPtr      kind = 2
	kindArray    kind = 3
	kindStruct   kind = 4
	kindUnion    kind = 5
	kindEnum     kind = 6
	kindTypedef  kind = 8
	kindVolatile kind = 9
	kindConst    kind = 10
	kindRestrict kind = 11
	kindFunc     kind = 12
	kindFloat    kind = 16
	kindTypeTag  kind = 18
	kindEnum64   kind = 19
)

// trailing returns how many bytes follow a type's first 12.
func trailing(k kind, members uint32) (n uint32, ok bool) {
	switch k {
	case kindInt, 14, 17: // a variable, a tag of a declaration
		return 4, true
	case kindArray:
		return 12, true
	case kindStruct, kindUnion, 15, kindEnum64: // a section
		return 12 * members, true
	case kindEnum, 13: // a function's prototype
		return 8 * members, true
	case kindPtr, 7, kindTypedef, kindVolatile, kindConst, kindRestrict, kindFunc, kindFloat, kindTypeTag: // forward
		return 0, true
	}
	return 0, false
}

// Load reads the types of a kernel, /sys/kernel/btf/vmlinux (Linux 5.4,
// CONFIG_DEBUG_INFO_BTF): measure.ErrNotSupported where it tells none. They are
// some megabytes, which are the kernel's own where it lets them be mapped (Linux
// 6.16) and a copy elsewhere: not for a measurement's time. Close gives them back.
func Load(host measure.FS) (*Types, error) {
	vmlinux := filepath.Join(host.Sys, "kernel", "btf", "vmlinux")
	data, mapped, err := contents(vmlinux)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the kernel's types (CONFIG_DEBUG_INFO_BTF): %w: %w", measure.ErrNotSupported, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the kernel's types: %w: %w", measure.ErrNotPermitted, err)
	case err != nil:
		return nil, fmt.Errorf("the kernel's types: %w", err)
	}
	t, err := parse(data)
	if err != nil {
		err = fmt.Errorf("%s: %w: %w", vmlinux, measure.ErrMalformed, err)
	}
	if mapped {
		t.mapped = data
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// contents maps a file, or reads it.
func contents(path string) (data []byte, mapped bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE); err == nil {
			return data, true, nil
		}
	}
	data, err = os.ReadFile(path)
	return data, false, err
}

// Close gives the types back. Nothing is found in them any more; what was loaded
// stays.
func (t *Types) Close() {
	if t.mapped != nil {
		_ = unix.Munmap(t.mapped) // it was mapped
	}
	*t = Types{}
}

// parse finds where the types are.
func parse(data []byte) (*Types, error) {
	t := &Types{ids: make(map[named]uint32)}
	const magic, header = 0xeb9f, 24
	if len(data) < header {
		return t, errors.New("it is cut short")
	}
	if binary.NativeEndian.Uint16(data) != magic {
		return t, errors.New("it is no BTF of this machine")
	}
	field := func(at int) uint64 { return uint64(binary.NativeEndian.Uint32(data[at:])) }
	section := func(at int) []byte {
		from, size := field(4)+field(at), field(at+4)
		if from+size > uint64(len(data)) {
			return nil
		}
		return data[from : from+size]
	}
	t.types, t.strings = section(8), section(16)
	if t.types == nil || t.strings == nil {
		return t, errors.New("it is cut short")
	}
	t.at = make([]uint32, 1, len(t.types)/24+1)
	for at := uint32(0); int(at) < len(t.types); {
		if len(t.types)-int(at) < 12 {
			return t, errors.New("it ends within a type")
		}
		k, members := t.head(at)
		more, ok := trailing(k, members)
		if !ok {
			return t, fmt.Errorf("a type of the unknown kind %d", k)
		}
		if uint64(at)+12+uint64(more) > uint64(len(t.types)) {
			return t, errors.New("it ends within a type")
		}
		t.at = append(t.at, at)
		at += 12 + more
	}
	return t, nil
}

func (t *Types) u32(at uint32) uint32 { return binary.NativeEndian.Uint32(t.types[at:]) }

func (t *Types) head(at uint32) (k kind, members uint32) {
	info := t.u32(at + 4)
	return kind(info >> 24 & 0x1f), info & 0xffff
}

// id returns the number of the first type of a kind and a name: parts of the
// kernel may mean different things by one name, and the core comes first. It is 0
// if there is none.
func (t *Types) id(k kind, name string) uint32 {
	key := named{k, name}
	if id, ok := t.ids[key]; ok {
		return id
	}
	var found uint32
	if i := bytes.Index(t.strings, []byte("\x00"+name+"\x00")); i >= 0 { // each string is there once
		for id := uint32(1); int(id) < len(t.at); id++ {
			if t.u32(t.at[id]) == uint32(i+1) {
				if is, _ := t.head(t.at[id]); is == k {
					found = id
					break
				}
			}
		}
	}
	t.ids[key] = found
	return found
}

func (t *Types) nameIs(offset uint32, name string) bool {
	if uint64(offset)+uint64(len(name)) >= uint64(len(t.strings)) {
		return false
	}
	s := t.strings[offset:]
	return string(s[:len(name)]) == name && s[len(name)] == 0
}

// resolve follows names and qualifiers to the type itself.
func (t *Types) resolve(id uint32) (at uint32, k kind, ok bool) {
	for range 64 { // no kernel nests them so deep
		if id == 0 || int(id) >= len(t.at) {
			return 0, 0, false
		}
		at = t.at[id]
		switch k, _ = t.head(at); k {
		case kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
			id = t.u32(at + 8)
		default:
			return at, k, true
		}
	}
	return 0, 0, false
}

// memberOf finds a member of a struct or a union, within those without a name too.
func (t *Types) memberOf(id uint32, name string, depth int) (bits, member uint32, ok bool) {
	at, k, ok := t.resolve(id)
	if !ok || k != kindStruct && k != kindUnion || depth > 16 {
		return 0, 0, false
	}
	bitfields := t.u32(at+4)>>31 != 0
	_, members := t.head(at)
	for i := range members {
		m := at + 12 + 12*i
		offset := t.u32(m + 8)
		if bitfields {
			if offset>>24 != 0 {
				continue
			}
			offset &= 1<<24 - 1
		}
		if t.u32(m) == 0 {
			if inner, member, ok := t.memberOf(t.u32(m+4), name, depth+1); ok {
				return offset + inner, member, true
			}
		} else if t.nameIs(t.u32(m), name) {
			return offset, t.u32(m + 4), true
		}
	}
	return 0, 0, false
}

// size returns the size of a type as an instruction loads it, 1, 2, 4 or 8 bytes:
// of an array, 8 at a time.
func (t *Types) size(id uint32) uint32 {
	at, k, ok := t.resolve(id)
	switch {
	case !ok || k == kindArray:
		return 8
	case k == kindPtr:
		return t.pointerBytes()
	}
	if n := t.u32(at + 8); n == 1 || n == 2 || n == 4 {
		return n
	}
	return 8
}

// Err returns what Member and StructSize could not find.
func (t *Types) Err() error { return t.err }

func (t *Types) missing(what string) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: the kernel has no %s", measure.ErrNotSupported, what)
	}
}

// Has reports whether there is such a member, see Member.
func (t *Types) Has(path string) bool {
	_, _, ok := t.find(path)
	return ok
}

// Member returns where a member is in its struct, in bytes, and its size as an
// instruction loads it. The path is "struct.member", with the members of embedded
// structs behind.
func (t *Types) Member(path string) (offset, size uint32) {
	offset, size, ok := t.find(path)
	if !ok {
		t.missing("member " + path)
	}
	return offset, size
}

func (t *Types) find(path string) (offset, size uint32, ok bool) {
	name, rest, _ := strings.Cut(path, ".")
	id := t.id(kindStruct, name)
	for member := range strings.SplitSeq(rest, ".") {
		bits, next, ok := t.memberOf(id, member, 0)
		if !ok || bits%8 != 0 {
			return 0, 0, false
		}
		offset += bits / 8
		id = next
	}
	if offset >= 1<<15 { // beyond what an instruction reaches
		return 0, 0, false
	}
	return offset, t.size(id), true
}

// Func returns the number of a function's type, 0 if the kernel has none of that
// name.
func (t *Types) Func(name string) uint32 { return t.id(kindFunc, name) }

// Struct returns the number of a struct, as Func does.
func (t *Types) Struct(name string) uint32 { return t.id(kindStruct, name) }

// Typedef returns the number of a typedef, as Func does.
func (t *Types) Typedef(name string) uint32 { return t.id(kindTypedef, name) }

// StructSize returns the size of a struct in bytes.
func (t *Types) StructSize(name string) uint32 {
	id := t.id(kindStruct, name)
	if id == 0 {
		t.missing("struct " + name)
		return 0
	}
	return t.u32(t.at[id] + 8)
}

// Constant returns the value of an enumerator; ok is false if the kernel has none
// of that name.
func (t *Types) Constant(enum, name string) (value uint32, ok bool) {
	id := t.id(kindEnum, enum)
	if id == 0 {
		return 0, false
	}
	at := t.at[id]
	_, values := t.head(at)
	for i := range values {
		if v := at + 12 + 8*i; t.nameIs(t.u32(v), name) {
			return t.u32(v + 4), true
		}
	}
	return 0, false
}
