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
	var all []Limit
	var errs []error
	add := func(found []Limit, err error) {
		if err != nil && !errors.Is(err, measure.ErrNotSupported) && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		all = append(all, found...)
	}
	add(keys(fs, who))
	add(signals(fs, who))
	for _, name := range []string{"user.max_user_namespaces", "user.max_pid_namespaces"} {
		add(namespaces(fs, name))
	}
	add(descendants(fs, pid))
	return all, errors.Join(errs...)
}

// keys are kernel.keys.maxkeys and kernel.keys.maxbytes, or root_maxkeys and
// root_maxbytes of root, and what of them is taken, as /proc/key-users has it
// (proc_key_users(5)):
//
//	1000: 5 4/4 4/200 80/20000
func keys(fs measure.FS, who process) ([]Limit, error) {
	path := filepath.Join(fs.Proc, "key-users")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, measure.ErrNotSupported)
	}
	if err != nil {
		return nil, err
	}
	prefix := "kernel.keys."
	if who.uid == 0 {
		prefix += "root_"
	}
	found := []Limit{
		{Name: prefix + "maxkeys", Unit: Keys, Binds: true},
		{Name: prefix + "maxbytes", Unit: KeyBytes, Binds: true},
	}
	for i := range found {
		l := &found[i]
		l.Where = sysctlPath(fs, l.Name)
		if l.Value, err = fs.SysctlUint(l.Name); err != nil {
			return nil, err
		}
		name := l.Name
		l.raise = func(to uint64) Remedy { return setSysctl(name, to) }
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
func signals(fs measure.FS, who process) ([]Limit, error) {
	path := filepath.Join(who.dir, "status")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		text, ok := strings.CutPrefix(line, "SigQ:")
		if !ok {
			continue
		}
		used, limit, _ := strings.Cut(strings.TrimSpace(text), "/")
		l := Limit{Name: "RLIMIT_SIGPENDING", Where: path, Unit: Signals, Binds: true}
		var err1, err2 error
		l.Used, err1 = strconv.ParseUint(used, 10, 64)
		l.Value, err2 = strconv.ParseUint(limit, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", measure.ErrMalformed, path, err)
		}
		l.Unlimited = l.Value == math.MaxUint64
		l.raise = func(to uint64) Remedy {
			return Remedy{Text: who.asRoot(fmt.Sprintf("prlimit --pid $$ --sigpending=%d:%d", to, to))}
		}
		return []Limit{l}, nil
	}
	return nil, fmt.Errorf("%s has no SigQ: %w", path, measure.ErrNotSupported)
}

// namespaces is a limit of namespaces that a user may have (namespaces(7)).
func namespaces(fs measure.FS, name string) ([]Limit, error) {
	value, err := fs.SysctlUint(name)
	if err != nil {
		return nil, err
	}
	return []Limit{{
		Name: name, Where: sysctlPath(fs, name), Unit: Namespaces, Value: value, Binds: true, Unseen: true,
		raise: func(to uint64) Remedy { return setSysctl(name, to) },
	}}, nil
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
		path := filepath.Join(dir, "cgroup.max.descendants")
		value, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // Linux 4.14 has it
		}
		if err != nil {
			return found, err
		}
		stat, err := os.ReadFile(filepath.Join(dir, "cgroup.stat"))
		if err != nil {
			return found, err
		}
		l := Limit{Name: "cgroup.max.descendants", Where: path, Unit: Cgroups, Binds: true}
		if text := strings.TrimSpace(string(value)); text == "max" {
			l.Unlimited = true
		} else if l.Value, err = strconv.ParseUint(text, 10, 64); err != nil {
			return found, fmt.Errorf("%w: %s: %w", measure.ErrMalformed, path, err)
		}
		for line := range strings.Lines(string(stat)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "nr_descendants "); ok {
				if l.Used, err = strconv.ParseUint(n, 10, 64); err != nil {
					return found, fmt.Errorf("%w: %s/cgroup.stat: %w", measure.ErrMalformed, dir, err)
				}
			}
		}
		l.raise = func(to uint64) Remedy { return Remedy{Text: fmt.Sprintf("echo %d > %s", to, quote(path))} }
		found = append(found, l)
	}
	return found, nil
}
