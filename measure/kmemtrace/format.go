package kmemtrace

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"zombench/measure"
)

// A field is where a record holds something.
type field struct{ offset, size int }

// A format is the layout of a tracepoint's records, as its files id and format
// in tracefs describe it (Documentation/trace/events.rst).
type format struct {
	id      uint64
	kind    Kind
	fields  map[string]field
	account uint64 // bit of __GFP_ACCOUNT in gfp_flags; 0 if unknown
	general bool   // kmalloc: nothing but the flags decides on accounting
	filter  string // which records are wanted (Documentation/trace/events.rst); "" for all
}

// A tracepoint is an event of the slab allocator. Since Linux 6.1 allocation
// on a node is part of the others.
var tracepoints = []struct {
	name     string
	kind     Kind
	optional bool
}{
	{"kmem_cache_alloc", Alloc, false},
	{"kmem_cache_alloc_node", Alloc, true},
	{"kmalloc", Alloc, false},
	{"kmalloc_node", Alloc, true},
	{"kmem_cache_free", Free, false},
	{"kfree", Free, false},
}

// readFormats reads the formats of all tracepoints from the root of tracefs.
func readFormats(tracefs fs.FS) ([]format, error) {
	var all []format
	for _, tp := range tracepoints {
		dir := path.Join("events/kmem", tp.name)
		id, err := fs.ReadFile(tracefs, path.Join(dir, "id"))
		if err != nil && tp.optional {
			continue
		}
		text, err2 := fs.ReadFile(tracefs, path.Join(dir, "format"))
		if err := cmp.Or(err, err2); err != nil {
			return nil, classify(fmt.Errorf("tracepoint %s: %w", tp.name, err))
		}
		f, err := parseFormat(string(text))
		if err != nil {
			return nil, fmt.Errorf("format of tracepoint %s: %w", tp.name, err)
		}
		f.kind, f.general = tp.kind, strings.HasPrefix(tp.name, "kmalloc")
		if f.id, err = strconv.ParseUint(strings.TrimSpace(string(id)), 10, 16); err != nil {
			return nil, fmt.Errorf("id of tracepoint %s: %w: %w", tp.name, measure.ErrMalformed, err)
		}
		required := []string{"call_site", "ptr"}
		if tp.kind == Alloc {
			required = append(required, "bytes_req", "bytes_alloc", "gfp_flags")
		}
		for _, name := range required {
			if _, ok := f.fields[name]; !ok {
				return nil, fmt.Errorf("format of tracepoint %s: %w: no field %s", tp.name, measure.ErrMalformed, name)
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// of returns the formats of those events.
func (o Only) of(all []format) (wanted []format) {
	if len(o.By) == 0 {
		return all
	}
	var by, of []string
	for _, r := range o.By {
		by = append(by, fmt.Sprintf("(call_site > %#x && call_site <= %#x)", r.From, r.To))
	}
	for _, cache := range o.Of {
		of = append(of, fmt.Sprintf("name == %q", cache))
	}
	for _, f := range all {
		_, named := f.fields["name"]
		switch {
		case f.kind == Alloc:
			f.filter = strings.Join(by, " || ")
		case named && len(of) > 0:
			f.filter = strings.Join(of, " || ")
		default:
			continue
		}
		wanted = append(wanted, f)
	}
	return wanted
}

var fieldLine = regexp.MustCompile(`^\s*field:.*?(\w+)(?:\[[^\]]*\])?;\s*offset:(\d+);\s*size:(\d+);`)

// The bit of __GFP_ACCOUNT moves from kernel to kernel. The format's table of
// flags has it, as 0x400000u or as 1 << (22).
var (
	accountMask  = regexp.MustCompile(`0x([0-9a-fA-F]+)[uUlL]*[)\s]*, "(?:__GFP_ACCOUNT)"`)
	accountShift = regexp.MustCompile(`<<\s*\(*(\d+)[)\s]*, "(?:__GFP_ACCOUNT)"`)
)

func parseFormat(text string) (format, error) {
	f := format{fields: make(map[string]field)}
	for line := range strings.Lines(text) {
		m := fieldLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		offset, err1 := strconv.ParseUint(m[2], 10, 16)
		size, err2 := strconv.ParseUint(m[3], 10, 16)
		if err1 != nil || err2 != nil {
			return f, fmt.Errorf("%w: field %s at %s of size %s", measure.ErrMalformed, m[1], m[2], m[3])
		}
		f.fields[m[1]] = field{int(offset), int(size)}
	}
	if m := accountMask.FindStringSubmatch(text); m != nil {
		f.account, _ = strconv.ParseUint(m[1], 16, 64)
	} else if m := accountShift.FindStringSubmatch(text); m != nil {
		if shift, err := strconv.ParseUint(m[1], 10, 6); err == nil {
			f.account = 1 << shift
		}
	}
	return f, nil
}

// number reads a field of a record; ok is false if the record is too short or
// has none.
func (f *format) number(record []byte, name string) (n uint64, ok bool) {
	at, ok := f.fields[name]
	if !ok || at.offset+at.size > len(record) {
		return 0, false
	}
	b := record[at.offset:]
	switch at.size {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.NativeEndian.Uint16(b)), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case 8:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// text reads a field that says where in the record a string is (__data_loc):
// its offset in the lower half, its length in the upper one.
func (f *format) text(record []byte, name string) string {
	loc, ok := f.number(record, name)
	if !ok {
		return ""
	}
	from, length := int(loc&0xffff), int(loc>>16&0xffff)
	if from+length > len(record) {
		return ""
	}
	s, _, _ := strings.Cut(string(record[from:from+length]), "\x00")
	return s
}

// decode reads the fields of a record into e; false if it is cut short.
func (f *format) decode(record []byte, e *Event) bool {
	e.Kind = f.kind
	var ok1, ok2 bool
	e.Ptr, ok1 = f.number(record, "ptr")
	e.CallSite, ok2 = f.number(record, "call_site")
	if !ok1 || !ok2 {
		return false
	}
	e.Cache = f.text(record, "name")
	if f.kind == Free {
		return true
	}
	e.Requested, ok1 = f.number(record, "bytes_req")
	e.Allocated, ok2 = f.number(record, "bytes_alloc")
	if !ok1 || !ok2 {
		return false
	}
	e.General = f.general
	gfp, _ := f.number(record, "gfp_flags")
	accounted, known := f.number(record, "accounted") // Linux 6.0
	switch {
	case accounted != 0 || f.account != 0 && gfp&f.account != 0:
		e.Accounted = Yes
	case known || f.general && f.account != 0:
		e.Accounted = No // otherwise the cache may have SLAB_ACCOUNT
	}
	return true
}
