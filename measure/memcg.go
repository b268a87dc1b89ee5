package measure

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Memcg is one cgroup of the memory controller.
type Memcg struct {
	Dir     string
	Version int    // of the hierarchy, 1 or 2
	Proc    string // proc root, where the kernel's command line is; "" means /proc
}

// KernelMemory is kernel memory that is charged to a cgroup and its descendants.
type KernelMemory struct {
	Bytes  uint64
	Source string // the file and the fields it was taken from
}

// kernelParts are the fields of a v2 memory.stat that make up kernel memory
// where the sum of them, "kernel", is missing (before Linux 5.18). Which
// exist depends on the version: pagetables 5.11, vmalloc 5.17.
var kernelParts = [...]string{"slab", "kernel_stack", "percpu", "pagetables", "sec_pagetables", "vmalloc"}

// KernelMemory reads the kernel memory of the cgroup. On v2 it is field
// "kernel" of memory.stat (Linux 5.18) or the sum of the fields there that
// hold kernel memory; on v1 memory.kmem.usage_in_bytes. ErrNotSupported if
// the kernel does not account for kernel memory.
//
// "kernel" goes first since it is complete: from 5.17 on kernel_stack leaves
// out the stacks that zombies keep on some architectures. It counts pages,
// where slab counts bytes.
//
// v2 statistics are gathered lazily: a reading may lag by up to 2 s.
func (m Memcg) KernelMemory() (KernelMemory, error) {
	k, err := m.kernelMemory()
	if err != nil {
		return KernelMemory{}, err
	}
	if k.Bytes == 0 && m.nokmem() {
		return KernelMemory{}, fmt.Errorf("%w: kernel memory of %s is not accounted: the kernel was booted with cgroup.memory=nokmem", ErrNotSupported, m.Dir)
	}
	return k, nil
}

func (m Memcg) kernelMemory() (KernelMemory, error) {
	if m.Version == 1 {
		const file = "memory.kmem.usage_in_bytes"
		n, err := readUint(filepath.Join(m.Dir, file))
		if err != nil {
			return KernelMemory{}, fmt.Errorf("kernel memory of a v1 cgroup (CONFIG_MEMCG_KMEM): %w", err)
		}
		return KernelMemory{Bytes: n, Source: file}, nil
	}
	data, err := readFile(filepath.Join(m.Dir, "memory.stat"))
	if err != nil {
		return KernelMemory{}, fmt.Errorf("kernel memory of a v2 cgroup: %w", err)
	}
	if n, ok, err := statField(data, "kernel"); err != nil || ok {
		return KernelMemory{Bytes: n, Source: "memory.stat kernel"}, err
	}
	var k KernelMemory
	var found []string
	for _, part := range kernelParts {
		n, ok, err := statField(data, part)
		if err != nil {
			return KernelMemory{}, err
		}
		if ok {
			k.Bytes += n
			found = append(found, part)
		}
	}
	if !slices.Contains(found, "slab") {
		return KernelMemory{}, fmt.Errorf("%w: memory.stat of %s has neither kernel nor slab", ErrNotSupported, m.Dir)
	}
	k.Source = "memory.stat " + strings.Join(found, "+")
	return k, nil
}

// nokmem reports whether kernel memory accounting was switched off at boot.
func (m Memcg) nokmem() bool {
	proc := m.Proc
	if proc == "" {
		proc = Host().Proc
	}
	data, err := readFile(filepath.Join(proc, "cmdline"))
	return err == nil && cmdlineNokmem(data)
}

func cmdlineNokmem(cmdline []byte) bool {
	for _, arg := range strings.Fields(string(cmdline)) {
		if v, ok := strings.CutPrefix(arg, "cgroup.memory="); ok && slices.Contains(strings.Split(v, ","), "nokmem") {
			return true
		}
	}
	return false
}

// Stat reads memory.stat whole. Most values are bytes; the counts of events
// among them (pgfault, workingset_*) are not.
func (m Memcg) Stat() (map[string]uint64, error) {
	return parseFile(filepath.Join(m.Dir, "memory.stat"), parseStat)
}

// Usage returns all memory charged to the cgroup, page cache included, in bytes.
func (m Memcg) Usage() (uint64, error) {
	if m.Version == 1 {
		return readUint(filepath.Join(m.Dir, "memory.usage_in_bytes"))
	}
	return readUint(filepath.Join(m.Dir, "memory.current"))
}

// Limit returns the cgroup's own limit in bytes; those above it bind too. The
// root of a hierarchy has none.
func (m Memcg) Limit() (limit uint64, unlimited bool, err error) {
	if m.Version == 1 {
		return readLimitV1(filepath.Join(m.Dir, "memory.limit_in_bytes"))
	}
	return readMax(filepath.Join(m.Dir, "memory.max"))
}

// KernelLimit returns the cgroup's own limit on kernel memory in bytes, which
// v1 has; it binds up to Linux 5.15.
func (m Memcg) KernelLimit() (limit uint64, unlimited bool, err error) {
	if m.Version != 1 {
		return 0, false, fmt.Errorf("limit on kernel memory of cgroup version %d: %w", m.Version, ErrNotSupported)
	}
	return readLimitV1(filepath.Join(m.Dir, "memory.kmem.limit_in_bytes"))
}

// EventsMax returns how often a charge met a limit of this very cgroup, whether
// memory could be reclaimed for it or not: max of memory.events.local (Linux
// 5.2); on v1 memory.failcnt and memory.kmem.failcnt.
func (m Memcg) EventsMax() (uint64, error) {
	if m.Version == 1 {
		n, err := readUint(filepath.Join(m.Dir, "memory.failcnt"))
		kernel, kernelErr := readUint(filepath.Join(m.Dir, "memory.kmem.failcnt"))
		if errors.Is(kernelErr, ErrNotSupported) {
			kernelErr = nil
		}
		return n + kernel, errors.Join(err, kernelErr)
	}
	return readField(filepath.Join(m.Dir, "memory.events.local"), "max")
}

// readLimitV1 reads a limit of a v1 memory cgroup, where "none" is written as
// the greatest number of pages that a page counter holds (PAGE_COUNTER_MAX).
func readLimitV1(path string) (limit uint64, unlimited bool, err error) {
	limit, err = readUint(path)
	if err != nil {
		return 0, false, err
	}
	const (
		none64 = 0x7fffffffffff0000 // with 64k pages; smaller pages leave more
		none32 = (1<<31 - 1) * 4096
	)
	if limit >= none64 || limit == none32 {
		return 0, true, nil
	}
	return limit, false, nil
}

// statField finds one field of a file of "key value" lines.
func statField(data []byte, key string) (value uint64, found bool, err error) {
	for line := range bytes.Lines(data) {
		k, v := cutStat(line)
		if string(k) == key {
			n, err := parseUint(v)
			if err != nil {
				return 0, false, fmt.Errorf("field %s: %w", key, err)
			}
			return n, true, nil
		}
	}
	return 0, false, nil
}

// parseStat parses a file of "key value" lines; of two with one key, the first
// counts.
func parseStat(data []byte) (map[string]uint64, error) {
	stat := make(map[string]uint64)
	for line := range bytes.Lines(data) {
		k, v := cutStat(line)
		n, valid := decimal(v)
		switch {
		case len(k) == 0 && len(v) == 0:
		case len(k) == 0 || !valid:
			return nil, fmt.Errorf("%w: want a name and a number, got %q", ErrMalformed, clip(line))
		default:
			if _, known := stat[string(k)]; !known {
				stat[string(k)] = n
			}
		}
	}
	return stat, nil
}

// cutStat takes a "key value" line apart.
func cutStat(line []byte) (key, value []byte) {
	key, value, _ = bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	return key, bytes.TrimSpace(value)
}

// Hierarchical reports whether what is below a cgroup counts for it: always,
// but for v1 before Linux 5.11, where memory.use_hierarchy says so.
func (m Memcg) Hierarchical() bool {
	if m.Version != 1 {
		return true
	}
	n, err := readUint(filepath.Join(m.Dir, "memory.use_hierarchy"))
	return err != nil || n != 0
}

// Busy returns the usage less the inactive page cache, which gives way before
// anything fails, in bytes.
func (m Memcg) Busy() (uint64, error) {
	used, err := m.Usage()
	if err != nil {
		return 0, err
	}
	field := "inactive_file"
	if m.Version == 1 {
		field = "total_inactive_file" // of the whole subtree
	}
	cache, err := readField(filepath.Join(m.Dir, "memory.stat"), field)
	return used - min(used, cache), err
}

// Batched reports whether memory.stat of version 2 is known only up to 32 pages
// for each CPU and counter: so much change each CPU keeps to itself, and nothing
// but more change brings it out (MEMCG_CHARGE_BATCH and __mod_memcg_state in
// mm/memcontrol.c). Linux 5.13 gathers what the CPUs hold instead.
func (m Memcg) Batched(release Release) bool {
	return m.Version == 2 && !release.AtLeast(5, 13)
}
