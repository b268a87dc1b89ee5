package measure

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/prometheus/procfs"
)

// Meminfo is the part of /proc/meminfo that says what the kernel itself
// holds, in bytes, system-wide (proc_meminfo(5)).
type Meminfo struct {
	MemTotal     uint64
	MemFree      uint64
	MemAvailable uint64 // estimate of what can be taken without swapping, Linux 3.14
	Slab         uint64 // pages of all slab caches: SReclaimable + SUnreclaim
	SReclaimable uint64 // of these, caches that shrink under pressure: dentries, inodes
	SUnreclaim   uint64 // the rest; a zombie's task_struct is here
	KernelStack  uint64
	PageTables   uint64
	Percpu       *uint64 // nil before Linux 4.20
	VmallocUsed  *uint64 // 0 from Linux 4.4 to 5.2, which do not count it
}

// Meminfo reads /proc/meminfo.
func (fs FS) Meminfo() (Meminfo, error) {
	path := fs.proc("meminfo")
	p, err := procfs.NewFS(fs.Proc)
	if err != nil {
		return Meminfo{}, classify(err)
	}
	r, err := p.Meminfo()
	if err != nil {
		return Meminfo{}, fmt.Errorf("reading %s: %w", path, parseFailure(err))
	}
	m := Meminfo{Percpu: r.PercpuBytes, VmallocUsed: r.VmallocUsedBytes}
	for _, f := range []struct {
		name string
		from *uint64
		to   *uint64
	}{
		{"MemTotal", r.MemTotalBytes, &m.MemTotal},
		{"MemFree", r.MemFreeBytes, &m.MemFree},
		{"MemAvailable", r.MemAvailableBytes, &m.MemAvailable},
		{"Slab", r.SlabBytes, &m.Slab},
		{"SReclaimable", r.SReclaimableBytes, &m.SReclaimable},
		{"SUnreclaim", r.SUnreclaimBytes, &m.SUnreclaim},
		{"KernelStack", r.KernelStackBytes, &m.KernelStack},
		{"PageTables", r.PageTablesBytes, &m.PageTables},
	} {
		if f.from == nil {
			return Meminfo{}, fmt.Errorf("%s has no field %s: %w", path, f.name, ErrNotSupported)
		}
		*f.to = *f.from
	}
	return m, nil
}

// parseFailure gives an error of procfs its kind: those of the system keep
// theirs, the rest are about the contents of a file.
func parseFailure(err error) error {
	var path *os.PathError
	var errno syscall.Errno
	if errors.As(err, &path) || errors.As(err, &errno) {
		return classify(err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
