package measure

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// An Rlimit is a resource limit (getrlimit(2)); math.MaxUint64 is unlimited.
type Rlimit struct{ Soft, Hard uint64 }

// Rlimits are the resource limits of a process that matter to who makes
// processes.
type Rlimits struct {
	Processes Rlimit // RLIMIT_NPROC: tasks of the real user
	Files     Rlimit // RLIMIT_NOFILE: descriptors of the process
}

// Rlimits reads /proc/PID/limits.
func (fs FS) Rlimits(pid int) (Rlimits, error) {
	return parseFile(filepath.Join(fs.PIDDir(pid), "limits"), parseLimits)
}

// parseLimits takes two lines out of /proc/PID/limits. Remedies depend on the
// hard limit, and an odd line elsewhere must not fail the reading: procfs gives
// soft limits only, and fails.
func parseLimits(data []byte) (Rlimits, error) {
	var r Rlimits
	for _, f := range []struct {
		name string
		to   *Rlimit
	}{
		{"Max processes", &r.Processes},
		{"Max open files", &r.Files},
	} {
		_, rest, ok := bytes.Cut(data, []byte(f.name+" "))
		if !ok {
			return Rlimits{}, fmt.Errorf("%w: no line %q", ErrMalformed, f.name)
		}
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			return Rlimits{}, fmt.Errorf("%w: %s: want two limits, got %q", ErrMalformed, f.name, clip(line))
		}
		for i, to := range []*uint64{&f.to.Soft, &f.to.Hard} {
			if fields[i] == "unlimited" {
				*to = math.MaxUint64
				continue
			}
			if *to, ok = decimal([]byte(fields[i])); !ok {
				return Rlimits{}, fmt.Errorf("%w: %s: want a limit, got %q", ErrMalformed, f.name, clip(fields[i]))
			}
		}
	}
	return r, nil
}
