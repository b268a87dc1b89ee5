package kmemtrace

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"zombench/measure"
)

// These formats are of Linux 6.18 on amd64, as they are.
func TestFormatsOfKernel(t *testing.T) {
	formats, err := readFormats(os.DirFS("testdata/amd64-6.18"))
	if err != nil {
		t.Fatal(err)
	}
	if len(formats) != 4 {
		t.Fatalf("%d formats, want 4: allocation on a node is no tracepoint of its own any more", len(formats))
	}
	for _, f := range formats {
		if f.id == 0 || f.kind == Alloc && f.account != 1<<22 {
			t.Errorf("format %+v", f)
		}
	}
	alloc := formats[0]
	for name, want := range map[string]field{"call_site": {8, 8}, "ptr": {16, 8}, "name": {24, 4}, "bytes_alloc": {40, 8}, "accounted": {60, 1}} {
		if got := alloc.fields[name]; got != want {
			t.Errorf("field %s at %+v, want %+v", name, got, want)
		}
	}

	record := make([]byte, 64+6)
	put := binary.NativeEndian.PutUint64
	put(record[8:], 0xffffffff81000123)
	put(record[16:], 0xffff888000001000)
	binary.NativeEndian.PutUint32(record[24:], 64|6<<16)
	put(record[32:], 2080)
	put(record[40:], 2112)
	copy(record[64:], "creds\x00")
	var e Event
	want := Event{Kind: Alloc, Ptr: 0xffff888000001000, CallSite: 0xffffffff81000123, Requested: 2080, Allocated: 2112, Cache: "creds", Accounted: No}
	if !alloc.decode(record, &e) || e != want {
		t.Errorf("decoded %+v\nwant    %+v", e, want)
	}
	record[60] = 1
	if want.Accounted = Yes; !alloc.decode(record, &e) || e != want {
		t.Errorf("decoded %+v\nwant    %+v", e, want)
	}
	if alloc.decode(record[:30], &e) {
		t.Error("a record that is cut short is decoded")
	}
	binary.NativeEndian.PutUint32(record[24:], 64|600<<16)
	if alloc.decode(record, &e); e.Cache != "" {
		t.Errorf("a name beyond the record: %q", e.Cache)
	}
}

// Kernels differ in what they print of a tracepoint.
func TestParseFormat(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		account    uint64
	}{
		{"5.10", `{(unsigned long)((( gfp_t)0x400000u)), "__GFP_ACCOUNT"}, {(unsigned long)((( gfp_t)0x01u)), "GFP_DMA"}`, 0x400000},
		{"6.18", `{( unsigned long)(( gfp_t)((((1UL))) << (22))), "__GFP_ACCOUNT"}`, 1 << 22},
		{"account comes in GFP_KERNEL_ACCOUNT too", `{( unsigned long)(0x400000u), "GFP_KERNEL_ACCOUNT"}`, 0},
		{"unresolved", `{( unsigned long)(( gfp_t)((((1UL))) << (___GFP_ACCOUNT_BIT))), "__GFP_ACCOUNT"}`, 0},
	} {
		f, err := parseFormat("\tfield:void * ptr;\toffset:4;\tsize:4;\tsigned:0;\n\tfield:char comm[16];\toffset:8;\tsize:16;\n\nprint fmt: " + tt.text)
		if err != nil || f.account != tt.account || f.fields["ptr"] != (field{4, 4}) || f.fields["comm"] != (field{8, 16}) {
			t.Errorf("%s: %+v, %v", tt.name, f, err)
		}
	}
}

// Without a field that tells, kmalloc's flags decide, and a cache may have
// been made for accounting.
func TestAccountedBefore6(t *testing.T) {
	fields := map[string]field{"ptr": {0, 4}, "call_site": {0, 4}, "bytes_req": {0, 4}, "bytes_alloc": {0, 4}, "gfp_flags": {4, 4}}
	record := make([]byte, 8)
	for _, tt := range []struct {
		general bool
		account uint64
		flags   uint32
		want    Tristate
	}{
		{true, 0x400000, 0x400cc0, Yes},
		{true, 0x400000, 0xcc0, No},
		{true, 0, 0xcc0, Unknown},
		{false, 0x400000, 0x400cc0, Yes},
		{false, 0x400000, 0xcc0, Unknown},
	} {
		f := format{kind: Alloc, fields: fields, general: tt.general, account: tt.account}
		binary.NativeEndian.PutUint32(record[4:], tt.flags)
		var e Event
		if !f.decode(record, &e) || e.Accounted != tt.want {
			t.Errorf("%+v: accounted %v", tt, e.Accounted)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	good := func() fstest.MapFS {
		all := fstest.MapFS{}
		for _, name := range []string{"kmem_cache_alloc", "kmem_cache_free", "kmalloc", "kfree"} {
			for _, file := range []string{"id", "format"} {
				path := "events/kmem/" + name + "/" + file
				data, err := os.ReadFile("testdata/amd64-6.18/" + path)
				if err != nil {
					t.Fatal(err)
				}
				all[path] = &fstest.MapFile{Data: data}
			}
		}
		return all
	}
	if _, err := readFormats(good()); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, tt := range []struct {
		name string
		edit func(fstest.MapFS)
		want error
	}{
		{"no tracepoint", func(m fstest.MapFS) { delete(m, "events/kmem/kfree/id") }, measure.ErrNotSupported},
		{"no id", func(m fstest.MapFS) { m["events/kmem/kfree/id"].Data = []byte("many") }, measure.ErrMalformed},
		{"no pointer", func(m fstest.MapFS) { m["events/kmem/kfree/format"].Data = []byte("name: kfree\n") }, measure.ErrMalformed},
	} {
		m := good()
		tt.edit(m)
		if _, err := readFormats(m); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := classify(&fs.PathError{Op: "open", Path: "id", Err: os.ErrPermission}); !errors.Is(err, measure.ErrNotPermitted) {
		t.Errorf("permission: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	formats, err := readFormats(os.DirFS("testdata/amd64-6.18"))
	if err != nil {
		f.Fatal(err)
	}
	tr := &Trace{byID: make(map[uint16]*format)}
	for i := range formats {
		tr.byID[uint16(formats[i].id)] = &formats[i]
	}
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x0012345678\x08\x00\x00\x00\x93\x02345678"))
	f.Fuzz(func(t *testing.T, body []byte) {
		tr.decodeSample(body)
		decodeFork(body)
	})
}
