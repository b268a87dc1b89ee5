package measure

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Machine says what a measurement was taken on.
type Machine struct {
	Kernel   string // release, as of uname -r
	GOARCH   string // of this program
	CPU      string // model name, or what comes closest to one
	PageSize int    // bytes
	CPUs     int    // online
	Possible int    // CPUs that may come online: what is kept for each CPU is kept for these
}

// Machine reads what describes the machine. Page size and architecture are
// those of the running program.
func (fs FS) Machine() (Machine, error) {
	m := Machine{GOARCH: runtime.GOARCH, PageSize: os.Getpagesize()}
	release, err := fs.Release()
	if err != nil {
		return m, err
	}
	m.Kernel = string(release)
	data, err := readFile(fs.proc("cpuinfo"))
	if err != nil {
		return m, err
	}
	if m.CPU = cpuModel(data); m.CPU == "" {
		m.CPU = m.GOARCH
	}
	online, err := fs.OnlineCPUs()
	if err != nil {
		return m, err
	}
	possible, err := fs.PossibleCPUs()
	m.CPUs, m.Possible = len(online), len(possible)
	return m, err
}

// OnlineCPUs returns the numbers of the CPUs that run, from
// /sys/devices/system/cpu/online.
func (fs FS) OnlineCPUs() ([]int, error) { return fs.cpus("online") }

// PossibleCPUs returns the numbers of the CPUs that may ever be there: percpu
// memory is allocated for each of them.
func (fs FS) PossibleCPUs() ([]int, error) { return fs.cpus("possible") }

func (fs FS) cpus(file string) ([]int, error) {
	return parseFile(filepath.Join(fs.Sys, "devices", "system", "cpu", file), func(list []byte) ([]int, error) {
		return parseCPUs(string(bytes.TrimSpace(list)))
	})
}

// BootID returns the identity of this run of the kernel: random, another one
// after each boot.
func (fs FS) BootID() (string, error) { return fs.Sysctl("kernel.random.boot_id") }

// cpuModel takes the model out of /proc/cpuinfo, whose fields each
// architecture names as it likes. arm64 and riscv give only numbers: they are
// written out. It is empty if there is nothing of the kind.
func cpuModel(cpuinfo []byte) string {
	fields := make(map[string]string)
	for line := range strings.Lines(string(cpuinfo)) {
		k, v, ok := strings.Cut(line, ":")
		k = strings.TrimSpace(k)
		if _, seen := fields[k]; ok && !seen {
			fields[k] = strings.Join(strings.Fields(v), " ")
		}
	}
	for _, k := range []string{"model name", "cpu model", "cpu", "uarch"} {
		if fields[k] != "" {
			return fields[k]
		}
	}
	var parts []string
	for _, k := range []string{"CPU implementer", "CPU part", "mvendorid", "marchid", "mimpid"} {
		if fields[k] != "" {
			parts = append(parts, strings.ToLower(strings.TrimPrefix(k, "CPU "))+" "+fields[k])
		}
	}
	return strings.Join(parts, " ")
}

// parseCPUs parses a list such as "0-3,5".
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.ParseUint(from, 10, 16)
		b, errB := strconv.ParseUint(to, 10, 16)
		if errA != nil || errB != nil || b < a {
			return nil, fmt.Errorf("%w: want a list of cpus, got %q", ErrMalformed, clip(list))
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	return cpus, nil
}
