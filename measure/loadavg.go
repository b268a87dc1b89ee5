package measure

import (
	"bytes"
	"fmt"
	"math"
)

// Loadavg is what /proc/loadavg says of tasks (proc_loadavg(5)).
type Loadavg struct {
	Tasks   uint64 // of the whole system, the kernel's own included (nr_threads)
	LastPID uint64 // the pid given out last in this pid namespace
}

// Loadavg reads /proc/loadavg. The parser of procfs drops both numbers.
func (fs FS) Loadavg() (Loadavg, error) { return parseFile(fs.proc("loadavg"), parseLoadavg) }

// parseLoadavg parses "0.44 0.15 0.05 1/87 4493".
func parseLoadavg(data []byte) (Loadavg, error) {
	f := bytes.Fields(data)
	if len(f) == 5 {
		_, total, _ := bytes.Cut(f[3], []byte("/"))
		tasks, ok1 := decimal(total)
		last, ok2 := decimal(f[4])
		if ok1 && ok2 && last < math.MaxUint32 {
			return Loadavg{Tasks: tasks, LastPID: last}, nil
		}
	}
	return Loadavg{}, fmt.Errorf("%w: want loads, tasks and a pid, got %q", ErrMalformed, clip(data))
}
