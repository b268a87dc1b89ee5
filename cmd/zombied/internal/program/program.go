// Package program finds what zombied's children execute: nothing that ends at once.
//
// What it is matters: a program that looks at its own /proc/PID as it starts, as
// one that is linked statically against glibc does, leaves an inode and a dentry
// or two in the kernel until it is reaped. So zombied brings a program of its own,
// two system calls in a memfd, which leaves nothing and is the same on every
// machine. Out of here comes a path for execve(2), and a name by which results say
// what ran.
package program

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnName is the name of zombied's own program.
const OwnName = "own"

// Argv0 is what children are called.
const Argv0 = "true"

// A Program is what children execute.
type Program struct {
	Path string // for execve(2), in this process and its children
	Name string // OwnName, or PATH@SUM with the beginning of the file's SHA-256
	Note string // why it is not what was asked for; "" if it is
}

// Find finds the program of a name: OwnName, or a path, or a name on PATH. Where
// our own cannot be executed, true on PATH takes its place, with a note.
func Find(name string) (Program, error) {
	if name != OwnName {
		return file(name)
	}
	p, err := own()
	if err == nil {
		return p, nil
	}
	p, fileErr := file(Argv0)
	if fileErr != nil {
		return Program{}, errors.Join(fmt.Errorf("zombied's own program: %w", err), fileErr)
	}
	p.Note = fmt.Sprintf("zombied's own program cannot be executed here (%v): children execute %s", err, p.Path)
	return p, nil
}

// file is a program that lies on this machine.
func file(name string) (Program, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return Program{}, fmt.Errorf("the program that the children execute: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return Program{}, fmt.Errorf("the program that the children execute: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return Program{}, fmt.Errorf("the program that the children execute: %w", err)
	}
	return Program{Path: path, Name: fmt.Sprintf("%s@%x", path, sum.Sum(nil)[:6])}, nil
}

// own puts our own program where children can execute it, and tries that once.
func own() (Program, error) {
	image, ok := image(runtime.GOARCH)
	if !ok {
		return Program{}, fmt.Errorf("there is none for %s", runtime.GOARCH)
	}
	fd, err := memfd(image)
	if err != nil {
		return Program{}, err
	}
	// Not /proc/self, which in each child would be another directory that its
	// zombie keeps.
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return Program{}, err
	}
	p := Program{Path: fmt.Sprintf("/proc/%s/fd/%d", self, fd), Name: OwnName}
	return p, try(p.Path)
}

// memfd returns a descriptor of an unnamed file that holds an image. It stays open
// for as long as this process runs.
func memfd(image []byte) (int, error) {
	fd, err := unix.MemfdCreate(Argv0, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(Argv0, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return 0, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if n, err := unix.Write(fd, image); err != nil || n < len(image) {
		return 0, fmt.Errorf("writing it: %w", errors.Join(err, io.ErrShortWrite))
	}
	// What is open for writing is not executed (ETXTBSY).
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// try executes a program once.
func try(path string) error {
	pid, err := syscall.ForkExec(path, []string{Argv0}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			if err != nil {
				return err
			}
			break
		}
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("it ended with wait status %#x", int(status))
	}
	return nil
}
