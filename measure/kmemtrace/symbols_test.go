package kmemtrace

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zombench/measure"
)

// kallsyms is a host with that file alone.
func kallsyms(t *testing.T, text string) measure.FS {
	t.Helper()
	host := measure.FS{Proc: t.TempDir()}
	if err := os.WriteFile(filepath.Join(host.Proc, "kallsyms"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return host
}

func TestSymbols(t *testing.T) {
	host := kallsyms(t, `ffffffff81000000 T _stext
ffffffff81000100 t copy_process
ffffffff81000300 t dup_task.constprop.0
ffffffff81000280 D some_data
ffffffffc0000000 t in_module	[module]
`)
	s, err := ReadSymbols(host)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[uint64]string{
		0xffffffff81000100: "copy_process",
		0xffffffff810002ff: "copy_process",
		0xffffffff81000300: "dup_task",
		0xffffffffc0001000: "in_module",
		0x1000:             "0x1000",
	} {
		if got := s.Function(address); got != want {
			t.Errorf("function at %#x: %s, want %s", address, got, want)
		}
	}
	if got := s.Caller(0xffffffff81000300); got != "copy_process" {
		t.Errorf("caller of a call at the end of its function: %s", got)
	}
}

func TestSymbolsErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"hidden", "0000000000000000 T _stext\n0000000000000000 t copy_process\n", measure.ErrNotPermitted},
		{"empty", "", measure.ErrNotPermitted},
		{"short", "ffffffff81000000 T\n", measure.ErrMalformed},
		{"no number", "here T _stext\n", measure.ErrMalformed},
	} {
		_, err := ReadSymbols(kallsyms(t, tt.text))
		if available := SymbolsAvailable(kallsyms(t, tt.text)); !errors.Is(err, tt.want) || !errors.Is(available, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := ReadSymbols(measure.FS{Proc: t.TempDir()}); !errors.Is(err, measure.ErrNotSupported) {
		t.Errorf("without the file: %v", err)
	}
}

func TestFindFunctions(t *testing.T) {
	host := kallsyms(t, `ffffffff81000000 T _stext
ffffffff81000100 t __d_alloc
ffffffff81000100 t alias
ffffffff81000200 d some_data
ffffffff81000300 t security_inode_alloc.part.0
`)
	found, err := FindFunctions(host, "__d_alloc", "proc_alloc_inode", "security_inode_alloc")
	want := []Range{{"__d_alloc", 0xffffffff81000100, 0xffffffff81000300}, {"security_inode_alloc", 0xffffffff81000300, math.MaxUint64}}
	if err != nil || !slices.Equal(found, want) {
		t.Fatalf("%v, %v; want %v", found, err, want)
	}
	for address, want := range map[uint64]bool{0xffffffff81000100: false, 0xffffffff81000101: true, 0xffffffff81000300: true, 0xffffffff81000301: false} {
		if found[0].Calls(address) != want {
			t.Errorf("%#x leads back into it: %v, want %v", address, !want, want)
		}
	}
	if _, err := FindFunctions(kallsyms(t, "0000000000000000 t __d_alloc\n"), "__d_alloc"); !errors.Is(err, measure.ErrNotPermitted) {
		t.Errorf("hidden: %v", err)
	}
}
