// Package measure reads the kernel's files about memory and tasks: /proc,
// /sys/kernel/slab and those of control groups. Each has one reader here, and
// one parser.
//
// A number is worth nothing without its source, so every exported value says
// its unit and the file (and the kernel version) it comes from. A missing number
// never looks like zero: what a kernel lacks is [ErrNotSupported], what this
// user may not read is [ErrNotPermitted], what does not look as it should is
// [ErrMalformed].
//
// It draws no conclusions: which limit is met first says package limits, who
// leaves zombies package procs. It knows nothing of experiments, trials or
// output formats, and it keeps no state: each call reads the kernel anew.
//
// Observing changes what is observed: each directory of /proc that is looked
// at costs the kernel a dentry and an inode (about 1.3 kB, reclaimable).
// [FS.Meminfo], [FS.Slabinfo], [Pids] and [Memcg] read single files and are
// fit for use during a measurement; [FS.Processes] walks all of /proc and is not.
package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The three kinds of failure that callers tell apart. They come wrapped with
// the file concerned and the reason.
var (
	// ErrNotSupported means that this kernel, or its configuration, has no such thing.
	ErrNotSupported = errors.New("not supported by this kernel")
	// ErrNotPermitted means that it is there, but this user may not read or write it.
	ErrNotPermitted = errors.New("not permitted")
	// ErrMalformed means that what was read is not what this file should hold.
	ErrMalformed = errors.New("malformed")
)

// FS says where the kernel's files are, so that a directory of fixtures
// can stand in for a kernel.
type FS struct {
	Proc string // mount point of proc, "/proc"
	Sys  string // mount point of sysfs, "/sys"
	Root string // put before the mount points of cgroup hierarchies; "" on a live system
}

// Host returns the FS of the running system.
func Host() FS { return FS{Proc: "/proc", Sys: "/sys"} }

// proc joins a path under the proc root.
func (fs FS) proc(elem ...string) string {
	return filepath.Join(append([]string{fs.Proc}, elem...)...)
}

// PIDDir returns the directory of a process, /proc/PID; pid 0 means the reading
// process.
func (fs FS) PIDDir(pid int) string {
	if pid == 0 {
		return fs.proc("self")
	}
	return fs.proc(strconv.Itoa(pid))
}

// classify gives an error of the file system the kind that callers decide by.
// A file that is missing from a directory that exists is one that the kernel
// does not have; when the directory is gone too (a process that ended, a
// cgroup that was removed) the error stays fs.ErrNotExist. A process that ends
// between opening and reading (ESRCH) is fs.ErrNotExist too. The error names
// the path.
func classify(err error) error {
	var pe *os.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ESRCH):
		return fmt.Errorf("%w: %w", os.ErrNotExist, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	case errors.Is(err, os.ErrNotExist) && errors.As(err, &pe):
		if _, statErr := os.Stat(filepath.Dir(pe.Path)); statErr == nil {
			return fmt.Errorf("%w: %w", ErrNotSupported, err)
		}
	}
	return err
}

// Gone reports whether an error of this package means that the process, thread
// or cgroup is no longer there.
func Gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrNotSupported)
}

// readFile reads a kernel file whole.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, classify(err)
	}
	return data, nil
}

// parseFile reads a kernel file whole and parses it; what parse has against it gets
// the path.
func parseFile[T any](path string, parse func([]byte) (T, error)) (v T, err error) {
	data, err := readFile(path)
	if err != nil {
		return v, err
	}
	if v, err = parse(data); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return v, err
}

// readUint reads a file that holds one decimal number.
func readUint(path string) (uint64, error) { return parseFile(path, parseUint) }

// readMax reads a cgroup limit: a decimal number, or the word max.
func readMax(path string) (limit uint64, unlimited bool, err error) {
	limit, err = parseFile(path, func(data []byte) (uint64, error) {
		if unlimited = string(bytes.TrimSpace(data)) == "max"; unlimited {
			return 0, nil
		}
		return parseUint(data)
	})
	return limit, unlimited, err
}

// readField reads one field of a file of "key value" lines.
func readField(path, key string) (uint64, error) {
	return parseFile(path, func(data []byte) (uint64, error) {
		n, ok, err := statField(data, key)
		if err == nil && !ok {
			err = fmt.Errorf("%w: no field %s", ErrMalformed, key)
		}
		return n, err
	})
}

// writeFile writes a line to a kernel file that exists.
func writeFile(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		err = errors.Join(err, f.Close())
	}
	return classify(err)
}

func parseUint(b []byte) (uint64, error) {
	b = bytes.TrimSpace(b)
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: want a number, got %q", ErrMalformed, clip(b))
	}
	return n, nil
}

// clip shortens a text that is quoted in an error.
func clip[T string | []byte](s T) T {
	const most = 60
	if len(s) > most {
		return s[:most]
	}
	return s
}
