package measure

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Processes reads /proc/PID/stat of every process once, in no particular order.
// What ends meanwhile is left out. It takes a system call for the directory and
// three for each process, and no memory for one but its Process. Each process
// looked at costs the kernel a dentry and an inode.
func (fs FS) Processes() ([]Process, error) {
	dir, err := os.Open(fs.Proc)
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", classify(err))
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", classify(err))
	}
	workers := min(runtime.GOMAXPROCS(0), 4)
	found := make([][]Process, workers)
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for i := range workers {
		share := names[i*len(names)/workers : (i+1)*len(names)/workers]
		wait.Go(func() { found[i], errs[i] = scan(int(dir.Fd()), fs.Proc, share) })
	}
	wait.Wait()
	var all []Process
	for _, f := range found {
		all = append(all, f...)
	}
	return all, errors.Join(errs...)
}

// scan reads the processes among the entries of a proc root.
func scan(root int, proc string, names []string) ([]Process, error) {
	processes := make([]Process, 0, len(names))
	buf := make([]byte, 2048) // 52 numbers and a name fill less
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		n, err := readAt(root, name+"/stat", buf)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return processes, fmt.Errorf("process %d: %w", pid, classify(&os.PathError{Op: "read", Path: proc + "/" + name + "/stat", Err: err}))
		}
		p, err := parseProcess(buf[:n])
		if err != nil {
			return processes, fmt.Errorf("%s/%s/stat: %w", proc, name, err)
		}
		processes = append(processes, p)
	}
	return processes, nil
}

// readAt reads a file into buf: without an os.File, which registers with the
// runtime's poller and costs as much again.
func readAt(dir int, path string, buf []byte) (n int, err error) {
	retry := func(call func() (int, error)) (int, error) {
		for {
			n, err := call()
			if !errors.Is(err, unix.EINTR) {
				return n, err
			}
		}
	}
	fd, err := retry(func() (int, error) { return unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err = retry(func() (int, error) { return unix.Read(fd, buf) })
	if err == nil && n == len(buf) {
		return n, io.ErrShortBuffer
	}
	return n, err
}
