package limits

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"

	"zombench/measure"
)

// Read returns every limit that a process meets when it makes more processes,
// in the order in which copy_process of kernel/fork.c asks for tasks: that of
// its user, those of the system, those of its cgroups from its own upward; then
// memory and, if q asks for any, descriptors. What a kernel or a cgroup does
// not have is left out. What could not be read is left out too, and the error
// says so: the limits returned beside an error are good.
//
// What is in use is only a moment's picture: others make processes too.
//
// Unless q says how to count tasks it walks all of /proc, which costs the kernel a
// dentry and an inode for each: never call it while something is being measured.
// ReadMachine and ReadCgroups do not.
func Read(fs measure.FS, q Query) ([]Limit, error) {
	var limits []Limit
	var errs []error
	add := func(err error, found ...Limit) {
		if err != nil && !errors.Is(err, measure.ErrNotSupported) {
			errs = append(errs, err)
		}
		limits = append(limits, found...)
	}

	who, err := identify(fs, q.PID)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", q.PID, err)
	}
	load, err := fs.Loadavg()
	add(err)
	pidMax, err := fs.SysctlUint("kernel.pid_max")
	add(err)
	used, err := q.Tasks.count(fs, pidMax)
	add(err)
	add(nil, nproc(who, used))
	threads, err := threadsMax(fs, load)
	add(err, threads...)
	if pidMax > 0 {
		add(nil, pidMaxLimit(fs, pidMax, used, load))
	}

	groups, err := cgroupsOf(fs, q)
	if err != nil && q.Cgroup != "" {
		return nil, err // it was asked for by name
	}
	add(err)
	bounds, err := ReadCgroups(fs, groups)
	add(err, bounds...)
	free, err := available(fs)
	add(err, free...)
	if q.Descriptors > 0 {
		files, err := nofile(fs, who)
		add(err, files...)
	}
	return limits, errors.Join(errs...)
}

// ReadMachine returns the limits of the whole machine without walking /proc: of
// kernel.pid_max as much is in use as there are tasks, at least. What is returned
// beside an error is good, but not all.
func ReadMachine(fs measure.FS) ([]Limit, error) {
	load, err := fs.Loadavg()
	if err != nil {
		return nil, err
	}
	all, err1 := threadsMax(fs, load)
	pidMax, err2 := fs.SysctlUint("kernel.pid_max")
	if err2 == nil {
		all = append(all, pidMaxLimit(fs, pidMax, tasks{}, load))
	}
	free, err3 := available(fs)
	return append(all, free...), errors.Join(err1, err2, err3)
}

// ReadCgroups returns the limits of some cgroups and of those above them: pids.max
// and those of memory. What is returned beside an error is good, but not all.
func ReadCgroups(fs measure.FS, groups measure.Membership) ([]Limit, error) {
	pids, err1 := pidsMax(fs, groups)
	memory, err2 := memoryMax(fs, groups)
	var errs []error
	for _, err := range []error{err1, err2} {
		if !errors.Is(err, measure.ErrNotSupported) {
			errs = append(errs, err)
		}
	}
	return append(pids, memory...), errors.Join(errs...)
}

// ReadUser returns RLIMIT_NPROC of a process and the user that it counts for, if it
// binds and bounds anything. How much is in use is not known of it.
func ReadUser(fs measure.FS, pid int) (l Limit, uid uint64, ok bool) {
	who, err := identify(fs, pid)
	if err != nil {
		return l, 0, false
	}
	l = nproc(who, tasks{})
	return l, who.uid, l.Binds && !l.Unlimited
}

// nproc is RLIMIT_NPROC (getrlimit(2)): it bounds the tasks of the real user.
// copy_process in kernel/fork.c lets pass who is uid 0 of the initial user
// namespace or has CAP_SYS_RESOURCE or CAP_SYS_ADMIN there.
//
// Inside another user namespace the limits that its creators had count too
// (Linux 5.14), and what the user has running elsewhere; neither can be seen.
func nproc(who process, used tasks) Limit {
	soft, hard := who.rlimits.Processes.Soft, who.rlimits.Processes.Hard
	return Limit{
		Name: "RLIMIT_NPROC", Where: filepath.Join(who.dir, "limits"), Unit: Processes,
		Value: soft, Unlimited: soft == math.MaxUint64, Used: used.of[who.uid], Binds: !who.exempt(),
		raise: func(to uint64) Remedy {
			to = roundUp(to, 1000)
			if to <= hard {
				return Remedy{Text: fmt.Sprintf("ulimit -u %d", to)}
			}
			return Remedy{Text: who.asRoot(fmt.Sprintf("prlimit --pid $$ --nproc=%d:%d", to, to))}
		},
	}
}

// reservedPids is RESERVED_PIDS of kernel/pid.c: once numbers have passed it,
// alloc_pid never goes below it again.
const reservedPids = 300

// pidMaxLimit is kernel.pid_max: numbers run to pid_max - 1. A number is taken
// as long as any task has it as its own, as its group's or its session's. So
// Used counts those, and the lowest numbers, which are lost whether taken or not.
//
// A process has a number in every pid namespace above its own, and only those
// of its own can be counted. The numbers of the initial namespace, where all
// tasks are, run out before: up to Linux 6.13 all namespaces share one
// pid_max, so the tasks of the whole system are a lower bound for Used; from
// 6.14 on each namespace has its own and nothing shows those of its ancestors.
func pidMaxLimit(fs measure.FS, pidMax uint64, used tasks, load measure.Loadavg) Limit {
	l := Limit{Name: "kernel.pid_max", Where: sysctlPath(fs, "kernel.pid_max"), Unit: Processes, Value: pidMax, Binds: true}
	low := min(load.LastPID+1, reservedPids)
	l.Used = low + used.numbers.countFrom(low, pidMax)
	release, _ := fs.Release()
	switch {
	case !fs.InitialPIDNamespace() && !release.AtLeast(6, 14):
		l.Used = max(l.Used, load.Tasks)
	case !fs.InitialPIDNamespace():
		l.Where += " of this pid namespace, those above it have their own"
	case !used.sawInit: // hidepid: the others are there, unseen
		l.Used += load.Tasks - min(load.Tasks, used.seen)
	}
	l.raise = func(to uint64) Remedy {
		most := uint64(4 << 20) // PID_MAX_LIMIT
		if fs.Bits32() {
			most = 32 << 10
		}
		if to > most {
			return Remedy{}
		}
		return setSysctl(l.Name, min(most, uint64(1)<<bits.Len64(to-1)))
	}
	return l
}

// threadsMax is kernel.threads-max, which bounds all tasks of the system, those
// of the kernel included. It binds root as well.
func threadsMax(fs measure.FS, load measure.Loadavg) ([]Limit, error) {
	l := Limit{Name: "kernel.threads-max", Where: sysctlPath(fs, "kernel.threads-max"), Used: load.Tasks, Unit: Processes, Binds: true}
	var err error
	if l.Value, err = fs.SysctlUint(l.Name); err != nil {
		return nil, err
	}
	l.raise = func(to uint64) Remedy {
		const most = 0x3fffffff // MAX_THREADS of kernel/fork.c
		if to > most {
			return Remedy{}
		}
		return setSysctl(l.Name, min(most, roundUp(to, 1000)))
	}
	return []Limit{l}, nil
}

// cgroupsOf returns the cgroups that the query is about.
func cgroupsOf(fs measure.FS, q Query) (measure.Membership, error) {
	if q.Cgroup != "" {
		return fs.CgroupAt(q.Cgroup)
	}
	return fs.Cgroups(q.PID)
}

// pidsMax are the pids.max of a process's cgroup and of those above it. All of
// them bind everybody, and what lies above the mount cannot be seen.
func pidsMax(fs measure.FS, groups measure.Membership) ([]Limit, error) {
	h, err := groups.Controller("pids")
	if err != nil {
		return nil, err
	}
	var limits []Limit
	for _, dir := range h.Ancestors() {
		p := measure.Pids{Dir: dir}
		value, unlimited, err := p.Max()
		if errors.Is(err, measure.ErrNotSupported) {
			continue // the root, or the controller is not enabled here
		}
		if err != nil {
			return limits, err
		}
		used, err := p.Current()
		if err != nil {
			return limits, err
		}
		l := Limit{Name: "pids.max", Where: filepath.Join(dir, "pids.max"), Value: value, Used: used, Unit: Processes, Unlimited: unlimited, Binds: true}
		owner := ownerOf(h, dir, "TasksMax")
		l.Owner = owner.of(l)
		l.raise = func(to uint64) Remedy {
			const most = 4 << 20 // a greater number is refused: PIDS_MAX of kernel/cgroup/pids.c
			number, infinity := strconv.FormatUint(roundUp(to, 1000), 10), roundUp(to, 1000) > most
			switch {
			case owner.unit != "" && systemd(fs) && infinity:
				return owner.setProperty("infinity")
			case owner.unit != "" && systemd(fs):
				return owner.setProperty(number)
			case infinity:
				number = "max"
			}
			return Remedy{Text: "echo " + number + " > " + quote(l.Where)}
		}
		limits = append(limits, l)
	}
	return limits, nil
}

// memoryMax are the memory limits of a process's cgroup and of those above it;
// on v1 also those of kernel memory, where the kernel still has them (they bind
// up to Linux 5.15).
//
// Used leaves out inactive page cache: it gives way before anything fails.
func memoryMax(fs measure.FS, groups measure.Membership) ([]Limit, error) {
	h, err := groups.Controller("memory")
	if err != nil {
		return nil, err
	}
	var limits []Limit
	for i, dir := range h.Ancestors() {
		m := measure.Memcg{Dir: dir, Version: h.Version, Proc: fs.Proc}
		if i > 0 && !m.Hierarchical() {
			break
		}
		l := Limit{Name: "memory.max", Unit: Bytes, Binds: true}
		property := "MemoryMax"
		if h.Version == 1 {
			l.Name, property = "memory.limit_in_bytes", "MemoryLimit"
		}
		l.Where = filepath.Join(dir, l.Name)
		l.Value, l.Unlimited, err = m.Limit()
		if errors.Is(err, measure.ErrNotSupported) {
			continue
		}
		if err != nil {
			return limits, err
		}
		if l.Used, err = m.Busy(); err != nil {
			return limits, err
		}
		owner := ownerOf(h, dir, property)
		l.Owner = owner.of(l)
		l.raise = func(to uint64) Remedy {
			if owner.unit != "" && systemd(fs) {
				return owner.setProperty(strconv.FormatUint(roundUp(to, 1<<20), 10))
			}
			return echoBytes(l.Where, to)
		}
		limits = append(limits, l)
		if h.Version == 2 {
			continue
		}
		k := Limit{Name: "memory.kmem.limit_in_bytes", Unit: Bytes, Binds: true}
		k.Where = filepath.Join(dir, k.Name)
		k.Value, k.Unlimited, err = m.KernelLimit()
		if errors.Is(err, measure.ErrNotSupported) {
			continue
		}
		if err != nil {
			return limits, err
		}
		kernel, err := m.KernelMemory()
		if errors.Is(err, measure.ErrNotSupported) {
			continue // nothing is charged to it
		}
		if err != nil {
			return limits, err
		}
		k.Used = kernel.Bytes
		k.raise = func(to uint64) Remedy { return echoBytes(k.Where, to) }
		limits = append(limits, k)
	}
	return limits, nil
}

// available is the memory of the machine that can be had without swapping. No
// command makes more of it.
func available(fs measure.FS) ([]Limit, error) {
	m, err := fs.Meminfo()
	if err != nil {
		return nil, err
	}
	return []Limit{{
		Name: memAvailable, Where: filepath.Join(fs.Proc, "meminfo"), Unit: Bytes,
		Value: m.MemTotal, Used: m.MemTotal - min(m.MemTotal, m.MemAvailable), Binds: true,
	}}, nil
}

// nofile is RLIMIT_NOFILE (getrlimit(2)). It binds root as well.
func nofile(fs measure.FS, who process) ([]Limit, error) {
	soft, hard := who.rlimits.Files.Soft, who.rlimits.Files.Hard
	used, err := fs.OpenFiles(who.pid, soft)
	if err != nil {
		return nil, fmt.Errorf("counting the open files of process %d: %w", who.pid, err)
	}
	return []Limit{{
		Name: "RLIMIT_NOFILE", Where: filepath.Join(who.dir, "limits"), Unit: Descriptors,
		Value: soft, Used: used, Unlimited: soft == math.MaxUint64, Binds: true,
		raise: func(to uint64) Remedy {
			to = roundUp(to, 1000)
			if to <= hard {
				return Remedy{Text: fmt.Sprintf("ulimit -n %d", to)}
			}
			text := who.asRoot(fmt.Sprintf("prlimit --pid $$ --nofile=%d:%d", to, to))
			if most, err := fs.SysctlUint("fs.nr_open"); err == nil && to > most {
				text = who.asRoot(setSysctl("fs.nr_open", to).Text) + " && " + text
			}
			return Remedy{Text: text}
		},
	}}, nil
}

// sysctlPath is the file of a sysctl whose name is well-formed.
func sysctlPath(fs measure.FS, name string) string {
	path, _ := fs.SysctlPath(name)
	return path
}

func echoBytes(path string, n uint64) Remedy {
	return Remedy{Text: fmt.Sprintf("echo %d > %s", roundUp(n, 1<<20), quote(path))}
}

// roundUp returns the next multiple of step, so that a remedy leaves some room
// for what others do; the number itself if there is none.
func roundUp(n, step uint64) uint64 {
	if up := saturatingAdd(n, step-1); up != math.MaxUint64 {
		return up - up%step
	}
	return n
}

// quote makes a path one word of a shell command.
func quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@+,", r)
	}
	if strings.TrimFunc(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
