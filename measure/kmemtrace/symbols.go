package kmemtrace

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"zombench/measure"
)

// Symbols are the functions of the running kernel and its modules.
type Symbols struct {
	addresses []uint64 // ascending
	names     []string
}

// ReadSymbols reads /proc/kallsyms (CONFIG_KALLSYMS). Addresses are hidden from
// who lacks CAP_SYSLOG, and from everybody if kernel.kptr_restrict is 2.
func ReadSymbols(host measure.FS) (*Symbols, error) {
	path := filepath.Join(host.Proc, "kallsyms")
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("functions of the kernel (CONFIG_KALLSYMS): %w", classify(err))
	}
	defer f.Close()
	type symbol struct {
		address uint64
		name    string
	}
	var all []symbol
	hidden := true
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// ffffffff81000000 T _stext, and for a module's a tab and [module]
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 3 || len(fields[1]) != 1 {
			return nil, fmt.Errorf("%s: %w: want address, type and name, got %q", path, measure.ErrMalformed, lines.Bytes())
		}
		switch fields[1][0] {
		case 'T', 't', 'W', 'w':
		default:
			continue // data
		}
		address, err := strconv.ParseUint(string(fields[0]), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: want an address, got %q", path, measure.ErrMalformed, fields[0])
		}
		hidden = hidden && address == 0
		// What the compiler appends (.constprop.0, .isra.0) is not the function's name.
		name, _, _ := bytes.Cut(fields[2], []byte("."))
		if len(name) > 0 {
			all = append(all, symbol{address, string(name)})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if hidden {
		return nil, fmt.Errorf("%s hides its addresses (kernel.kptr_restrict): %w", path, measure.ErrNotPermitted)
	}
	slices.SortStableFunc(all, func(a, b symbol) int {
		switch {
		case a.address < b.address:
			return -1
		case a.address > b.address:
			return 1
		}
		return 0
	})
	s := new(Symbols)
	for _, sym := range all {
		s.addresses = append(s.addresses, sym.address)
		s.names = append(s.names, sym.name)
	}
	return s, nil
}

// Function names the function that holds an address; the address itself, in
// hexadecimal, if none does.
func (s *Symbols) Function(address uint64) string {
	i, exact := slices.BinarySearch(s.addresses, address)
	if !exact {
		i--
	}
	if i < 0 {
		return fmt.Sprintf("%#x", address)
	}
	return s.names[i]
}

// Caller names the function that a return address leads back into. A call may
// be the last thing in its function, so it is the byte before that counts.
func (s *Symbols) Caller(returnAddress uint64) string { return s.Function(returnAddress - 1) }
