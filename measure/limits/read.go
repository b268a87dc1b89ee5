package limits

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"path/filepath"
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
	var all reading
	who, err := identify(fs, q.PID)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", q.PID, err)
	}
	load, err := fs.Loadavg()
	all.add(nil, err)
	pidMax, err := fs.SysctlUint("kernel.pid_max")
	all.add(nil, err)
	used, err := q.Tasks.count(fs, pidMax)
	all.add(nil, err)
	all.addOne(nproc(who, used), nil)
	all.addOne(threadsMax(fs, load))
	if pidMax > 0 {
		all.addOne(pidMaxLimit(fs, pidMax, used, load), nil)
	}

	groups, err := cgroupsOf(fs, q)
	if err != nil && q.Cgroup != "" {
		return nil, err // it was asked for by name
	}
	all.add(nil, err)
	all.add(ReadCgroups(fs, groups))
	all.addOne(available(fs))
	if q.Descriptors > 0 {
		all.addOne(nofile(fs, who))
	}
	return all.limits, errors.Join(all.errs...)
}

// A reading gathers limits. What a kernel does not have is left out.
type reading struct {
	limits []Limit
	errs   []error
}

func (r *reading) add(found []Limit, err error) {
	if err != nil && !errors.Is(err, measure.ErrNotSupported) {
		r.errs = append(r.errs, err)
	}
	r.limits = append(r.limits, found...)
}

func (r *reading) addOne(l Limit, err error) {
	if err != nil {
		r.add(nil, err)
		return
	}
	r.limits = append(r.limits, l)
}

// ReadMachine returns the limits of the whole machine without walking /proc: of
// kernel.pid_max as much is in use as there are tasks, at least. What is returned
// beside an error is good, but not all.
func ReadMachine(fs measure.FS) ([]Limit, error) {
	load, err := fs.Loadavg()
	if err != nil {
		return nil, err
	}
	var all reading
	all.addOne(threadsMax(fs, load))
	pidMax, err := fs.SysctlUint("kernel.pid_max")
	all.addOne(pidMaxLimit(fs, pidMax, tasks{}, load), err)
	all.addOne(available(fs))
	return all.limits, errors.Join(all.errs...)
}

// ReadCgroups returns the limits of some cgroups and of those above them: pids.max
// and those of memory. What is returned beside an error is good, but not all.
func ReadCgroups(fs measure.FS, groups measure.Membership) ([]Limit, error) {
	var all reading
	all.add(pidsMax(fs, groups))
	all.add(memoryMax(fs, groups))
	return all.limits, errors.Join(all.errs...)
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
func threadsMax(fs measure.FS, load measure.Loadavg) (l Limit, err error) {
	l, err = sysctlLimit(fs, "kernel.threads-max", Processes)
	l.Used = load.Tasks
	l.raise = func(to uint64) Remedy {
		const most = 0x3fffffff // MAX_THREADS of kernel/fork.c
		if to > most {
			return Remedy{}
		}
		return setSysctl(l.Name, min(most, roundUp(to, 1000)))
	}
	return l, err
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
			if to = roundUp(to, 1000); to > most {
				return owner.raise(fs, l, "max", "infinity")
			}
			return owner.raise(fs, l, fmt.Sprint(to), fmt.Sprint(to))
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
			number := fmt.Sprint(roundUp(to, 1<<20))
			return owner.raise(fs, l, number, number)
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
		k.raise = func(to uint64) Remedy { return echo(fmt.Sprint(roundUp(to, 1<<20)), k.Where) }
		limits = append(limits, k)
	}
	return limits, nil
}

// available is the memory of the machine that can be had without swapping. No
// command makes more of it.
func available(fs measure.FS) (Limit, error) {
	m, err := fs.Meminfo()
	return Limit{
		Name: memAvailable, Where: filepath.Join(fs.Proc, "meminfo"), Unit: Bytes,
		Value: m.MemTotal, Used: m.MemTotal - min(m.MemTotal, m.MemAvailable), Binds: true,
	}, err
}

// nofile is RLIMIT_NOFILE (getrlimit(2)). It binds root as well.
func nofile(fs measure.FS, who process) (Limit, error) {
	soft, hard := who.rlimits.Files.Soft, who.rlimits.Files.Hard
	used, err := fs.OpenFiles(who.pid, soft)
	if err != nil {
		err = fmt.Errorf("counting the open files of process %d: %w", who.pid, err)
	}
	return Limit{
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
	}, err
}

// sysctlLimit is a limit that a sysctl sets.
func sysctlLimit(fs measure.FS, name, unit string) (Limit, error) {
	value, err := fs.SysctlUint(name)
	if errors.Is(err, os.ErrNotExist) { // nor is its directory there
		err = fmt.Errorf("%w: %w", measure.ErrNotSupported, err)
	}
	return Limit{Name: name, Where: sysctlPath(fs, name), Unit: unit, Value: value, Binds: true,
		raise: func(to uint64) Remedy { return setSysctl(name, to) }}, err
}

// sysctlPath is the file of a sysctl whose name is well-formed.
func sysctlPath(fs measure.FS, name string) string {
	path, _ := fs.SysctlPath(name)
	return path
}

// echo writes a value to a file.
func echo(value, path string) Remedy { return Remedy{Text: "echo " + value + " > " + quote(path)} }

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
