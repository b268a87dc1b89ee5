package measure

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Flush brings memory.stat of version 2 up to date, which the kernel does on
// its own only every 2 s or after many changes (FLUSH_TIME and
// memcg_vmstats_needs_flush in mm/memcontrol.c).
//
// Up to Linux 6.15, reading cpu.stat flushes the statistics of every controller
// of the cgroup (cgroup_rstat_flush in kernel/cgroup/rstat.c). Later kernels keep
// a tree of statistics for each controller. There this process makes so many
// changes that the hierarchy needs a flush, and has it done by reading
// memory.stat at its root: of the army's cgroup as well, which is left alone.
//
// Version 1 has no such delay, and the error is ErrNotSupported.
func (m Memcg) Flush(release Release) error {
	if m.Version != 2 {
		return fmt.Errorf("flushing memory.stat of cgroup version %d: %w", m.Version, ErrNotSupported)
	}
	if !release.AtLeast(6, 16) {
		_, err := readFile(filepath.Join(m.Dir, "cpu.stat"))
		return err
	}
	cpus, err := Host().OnlineCPUs()
	if err != nil {
		return fmt.Errorf("flushing memory.stat: %w", err)
	}
	// A CPU passes on what it has counted by MEMCG_CHARGE_BATCH, 64, and so much for
	// each CPU online makes a flush needed. A page that comes and goes counts twice
	// at least, so this is twice what it takes.
	if err := touch(64 * (len(cpus) + 1)); err != nil {
		return fmt.Errorf("flushing memory.stat: %w", err)
	}
	_, err = readFile(filepath.Join(m.root(), "memory.stat"))
	return err
}

// root returns the directory of the topmost cgroup that can be seen.
func (m Memcg) root() string {
	for dir := m.Dir; ; {
		above := filepath.Dir(dir)
		if _, err := os.Stat(filepath.Join(above, "memory.stat")); err != nil {
			return dir
		}
		dir = above
	}
}

// touch has the kernel charge n pages to this process and take them back.
func touch(n int) error {
	const window = 256 // pages at a time
	page := os.Getpagesize()
	memory, err := unix.Mmap(-1, 0, window*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mapping %d pages: %w", window, err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	_ = unix.Madvise(memory, unix.MADV_NOHUGEPAGE) // unknown to a kernel without huge pages
	for ; n > 0; n -= window {
		for i := range min(n, window) {
			memory[i*page] = 1
		}
		if err := unix.Madvise(memory, unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("giving %d pages back: %w", window, err)
		}
	}
	return nil
}
