package kmemtrace

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"zombench/measure"
)

// Symbols are the functions of the running kernel and its modules.
type Symbols struct{ all []symbol } // by address

type symbol struct {
	address uint64
	name    string
}

// ReadSymbols reads /proc/kallsyms (CONFIG_KALLSYMS). Addresses are hidden from
// who lacks CAP_SYSLOG, and from everybody if kernel.kptr_restrict is 2.
func ReadSymbols(host measure.FS) (*Symbols, error) {
	var all []symbol
	err := eachFunction(host, func(s symbol) bool { all = append(all, s); return true })
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b symbol) int { return cmp.Compare(a.address, b.address) })
	return &Symbols{all}, nil
}

// A Range is where the instructions of a function are: from the first one to the
// first one of the next function.
type Range struct {
	Name     string
	From, To uint64
}

// Calls reports whether a return address leads back into it.
func (r Range) Calls(returnAddress uint64) bool {
	return returnAddress > r.From && returnAddress <= r.To
}

// FindFunctions returns where functions of these names are, as far as this kernel
// has them.
func FindFunctions(host measure.FS, names ...string) (found []Range, err error) {
	err = eachFunction(host, func(s symbol) bool {
		for i := range found {
			if found[i].To == math.MaxUint64 && s.address > found[i].From {
				found[i].To = s.address
			}
		}
		if slices.Contains(names, s.name) {
			found = append(found, Range{s.name, s.address, math.MaxUint64})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// SymbolsAvailable reports why ReadSymbols would fail: nil if it would not. It
// reads no more than that takes: all of them are a second's work, and half a
// minute's where the kernel is emulated.
func SymbolsAvailable(host measure.FS) error {
	return eachFunction(host, func(s symbol) bool { return s.address == 0 })
}

// eachFunction reads functions in the order of the file, until each returns false. It
// is an error if none of them has an address.
func eachFunction(host measure.FS, each func(symbol) bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("functions of the kernel: %w", err)
		}
	}()
	hidden := true
	path := filepath.Join(host.Proc, "kallsyms")
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w (CONFIG_KALLSYMS)", classify(err))
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// ffffffff81000000 T _stext, and for a module's a tab and [module]
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 3 || len(fields[1]) != 1 {
			return fmt.Errorf("%s: %w: want address, type and name, got %q", path, measure.ErrMalformed, lines.Bytes())
		}
		switch fields[1][0] {
		case 'T', 't', 'W', 'w':
		default:
			continue // data
		}
		address, err := strconv.ParseUint(string(fields[0]), 16, 64)
		if err != nil {
			return fmt.Errorf("%s: %w: want an address, got %q", path, measure.ErrMalformed, fields[0])
		}
		// What the compiler appends (.constprop.0, .isra.0) is not the function's name.
		name, _, _ := bytes.Cut(fields[2], []byte("."))
		hidden = hidden && address == 0
		if len(name) > 0 && !each(symbol{address, string(name)}) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if hidden {
		return fmt.Errorf("%s hides its addresses (kernel.kptr_restrict): %w", path, measure.ErrNotPermitted)
	}
	return nil
}

// Function names the function that holds an address; the address itself, in
// hexadecimal, if none does.
func (s *Symbols) Function(address uint64) string {
	i, exact := slices.BinarySearchFunc(s.all, address, func(s symbol, at uint64) int { return cmp.Compare(s.address, at) })
	if !exact {
		i--
	}
	if i < 0 {
		return fmt.Sprintf("%#x", address)
	}
	return s.all[i].name
}

// Caller names the function that a return address leads back into. A call may
// be the last thing in its function, so it is the byte before that counts.
func (s *Symbols) Caller(returnAddress uint64) string { return s.Function(returnAddress - 1) }
