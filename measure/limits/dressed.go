package limits

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zombench/measure"
)

// Further units of a Limit, of which a process takes some before it ends and
// keeps them as a zombie.
const (
	Keys       = "keys"
	KeyBytes   = "bytes of keys"
	Signals    = "queued signals"
	Namespaces = "namespaces"
	Cgroups    = "cgroups"
)

// ReadDressed returns the limits that zombies meet first that keep more alive
// than themselves: keys, queued signals and namespaces of the process's user,
// and cgroups below its own and those above that. They are not among those of
// Read, since a plain zombie takes nothing of them, and a Query does not ask for
// any.
//
// Who made namespaces of a user cannot be seen, and neither can how many there
// are: those are Unseen. A cgroup that was removed and is still there counts
// for nothing in cgroup.max.descendants.
func ReadDressed(fs measure.FS, pid int) ([]Limit, error) {
	who, err := identify(fs, pid)
	if err != nil {
		return nil, fmt.Errorf("limits of process %d: %w", pid, err)
	}
	var all reading
	all.add(keys(fs, who))
	all.addOne(signals(fs, who))
	for _, name := range []string{"user.max_user_namespaces", "user.max_pid_namespaces"} {
		l, err := sysctlLimit(fs, name, Namespaces) // that a user may have (namespaces(7))
		l.Unseen = true
		all.addOne(l, err)
	}
	all.add(descendants(fs, pid))
	return all.limits, errors.Join(all.errs...)
}

// keys are kernel.keys.maxkeys and kernel.keys.maxbytes, or root_maxkeys and
// root_maxbytes of root, and what of them is taken, as /proc/key-users has it
// (proc_key_users(5)):
//
//	1000: 5 4/4 4/200 80/20000
func keys(fs measure.FS, who process) ([]Limit, error) {
	prefix := "kernel.keys."
	if who.uid == 0 {
		prefix += "root_"
	}
	most, err := sysctlLimit(fs, prefix+"maxkeys", Keys)
	if err != nil { // a kernel without keys has none of these files
		return nil, err
	}
	bytes, err := sysctlLimit(fs, prefix+"maxbytes", KeyBytes)
	if err != nil {
		return nil, err
	}
	found := []Limit{most, bytes}
	path := filepath.Join(fs.Proc, "key-users")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		user, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		f := strings.Fields(rest)
		if uid, err := strconv.ParseUint(user, 10, 32); err != nil || uid != uint64(who.uid) || len(f) != 4 {
			continue // one who has no key has no line
		}
		for i, field := range f[2:] {
			used, _, _ := strings.Cut(field, "/")
			if found[i].Used, err = strconv.ParseUint(used, 10, 64); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", measure.ErrMalformed, path, err)
			}
		}
	}
	return found, nil
}

// signals is RLIMIT_SIGPENDING: queued signals of the real user, in all of the
// user's processes (SigQ of proc_pid_status(5)).
func signals(fs measure.FS, who process) (l Limit, err error) {
	path := filepath.Join(who.dir, "status")
	data, err := os.ReadFile(path)
	if err != nil {
		return l, err
	}
	_, text, ok := strings.Cut(string(data), "\nSigQ:")
	if !ok {
		return l, fmt.Errorf("%s has no SigQ: %w", path, measure.ErrNotSupported)
	}
	l = Limit{Name: "RLIMIT_SIGPENDING", Where: path, Unit: Signals, Binds: true}
	if _, err := fmt.Sscanf(text, "%d/%d", &l.Used, &l.Value); err != nil {
		return l, fmt.Errorf("%w: %s: %w", measure.ErrMalformed, path, err)
	}
	l.Unlimited = l.Value == math.MaxUint64
	l.raise = func(to uint64) Remedy {
		return Remedy{Text: who.asRoot(fmt.Sprintf("prlimit --pid $$ --sigpending=%d:%d", to, to))}
	}
	return l, nil
}

// descendants are cgroup.max.descendants of a process's cgroup and of those
// above it (version 2).
func descendants(fs measure.FS, pid int) ([]Limit, error) {
	groups, err := fs.Cgroups(pid)
	if err != nil {
		return nil, err
	}
	h, err := groups.Controller("pids")
	if err != nil || h.Version != 2 {
		return nil, err
	}
	var found []Limit
	for _, dir := range h.Ancestors() {
		const name = "cgroup.max.descendants"
		l := Limit{Name: name, Where: filepath.Join(dir, name), Unit: Cgroups, Binds: true}
		l.Used, l.Value, l.Unlimited, err = measure.Descendants(dir)
		if errors.Is(err, measure.ErrNotSupported) {
			continue // Linux 4.14 has it
		}
		if err != nil {
			return found, err
		}
		l.raise = func(to uint64) Remedy { return echo(fmt.Sprint(to), l.Where) }
		found = append(found, l)
	}
	return found, nil
}
