package measure

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// A Task is a thread, alive or dead: a task of its user, by which numbers are taken.
type Task struct {
	TID, Group, Session int
	UID                 uint64 // real
}

// PIDs returns the pids of all processes that /proc shows, in no particular
// order. It looks at none of them.
func (fs FS) PIDs() ([]int, error) {
	pids, err := numbers(fs.Proc)
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	return pids, nil
}

// Tasks returns the tids of a process's threads, ascending.
func (fs FS) Tasks(pid int) ([]int, error) {
	tids, err := numbers(filepath.Join(fs.PIDDir(pid), "task"))
	if err != nil {
		return nil, fmt.Errorf("threads of process %d: %w", pid, err)
	}
	slices.Sort(tids)
	return tids, nil
}

// OpenFiles counts the descriptors below a number that a process has open
// (/proc/PID/fd). Those that reading takes itself do not count.
func (fs FS) OpenFiles(pid int, below uint64) (uint64, error) {
	dir := fs.PIDDir(pid)
	d, err := os.Open(filepath.Join(dir, "fd"))
	if err != nil {
		return 0, classify(err)
	}
	defer d.Close()
	own, ours := "", false // our descriptor of the directory itself
	if target, err := filepath.EvalSymlinks(dir); err == nil && filepath.Base(target) == strconv.Itoa(os.Getpid()) {
		own, ours = strconv.Itoa(int(d.Fd())), true
	}
	var n uint64
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			fd, parseErr := strconv.ParseUint(name, 10, 64)
			if parseErr == nil && fd < below && !(ours && name == own) {
				n++
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, classify(err)
		}
	}
}

// numbers returns the entries of a directory that are numbers, without looking
// at them.
func numbers(dir string) ([]int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, classify(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, classify(err)
	}
	var found []int
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 31); err == nil {
			found = append(found, int(n))
		}
	}
	return found, nil
}

// WaitChannel returns the function of the kernel in which a thread sleeps; "" if
// it does not, or if that is kept secret (/proc/PID/task/TID/wchan).
func (fs FS) WaitChannel(pid, tid int) (string, error) {
	data, err := readFile(filepath.Join(fs.PIDDir(pid), "task", strconv.Itoa(tid), "wchan"))
	if err != nil || string(data) == "0" {
		return "", err
	}
	return string(data), nil
}
