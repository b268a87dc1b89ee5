// Package pidfile keeps the file that names a running daemon.
//
// The lock counts, not the text: a daemon runs if, and only if, some process
// holds the fcntl(2) lock on the file, and the kernel names the holder.
// The text is there for people and for kill $(cat FILE). So a file left behind
// by a crash does no harm, and a number in it that now belongs to somebody else
// is never taken for the daemon.
//
// The lock belongs to the process, is not inherited by fork, and goes when the
// process closes any descriptor of the file. A daemon must therefore take it in
// its last process and never open the file a second time.
package pidfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// foreign is the error of a file that is no pid file of this user, and was not
// touched.
func foreign(path, reason string) error {
	return fmt.Errorf("%s %s, so it is not used as a pid file: remove it, or choose another with --pidfile", path, reason)
}

// A File is a pid file that this process holds.
type File struct {
	path string
	file *os.File
}

// Acquire takes the pid file at path for this process, and writes its pid into
// it. A file that nobody holds is taken over, and one that is none of ours is not.
func Acquire(path string) (*File, error) {
	for {
		f, err := acquire(path)
		if err != nil || f != nil {
			return f, err
		}
		// The holder has removed the file between open and lock.
	}
}

// acquire returns nil, nil if the file that was locked is no longer at path.
func acquire(path string) (_ *File, err error) {
	file, err := open(path, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	keep := false
	defer func() {
		if !keep {
			file.Close()
		}
	}()
	if err := check(path, file); err != nil {
		return nil, err
	}
	lock := wholeFile()
	switch err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &lock); {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		pid, held, err := holder(file)
		if err == nil && !held {
			return nil, replace(file, path)
		}
		if pid == 0 {
			return nil, fmt.Errorf("already running, in another pid namespace (%s is locked)", path)
		}
		return nil, fmt.Errorf("already running, pid %d (%s)", pid, path)
	case err != nil:
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if !isAt(file, path) {
		return nil, nil
	}
	if err := write(file); err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	keep = true
	return &File{path, file}, nil
}

// replace removes a file that somebody else has locked to read, as everybody may
// who can read it: a daemon locks it to write. If that has just gone, the file may
// be another's already.
func replace(file *os.File, path string) error {
	lock := wholeFile()
	err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock)
	if err == nil && lock.Type == unix.F_RDLCK && isAt(file, path) {
		err = os.Remove(path)
	}
	return err
}

// write puts the pid in place of what was there. Never by renaming a new file
// over it: that would be another inode, and a second daemon could lock it.
func write(file *os.File) error {
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// Remove removes the file, if it is still the one that this process holds, and
// gives up the lock.
func (f *File) Remove() error {
	if f == nil {
		return nil
	}
	defer f.file.Close()
	if !isAt(f.file, f.path) {
		return nil // somebody else's now
	}
	return os.Remove(f.path)
}

// Holder gives the pid of the process that holds the pid file at path; held is
// false if there is none. The file need not exist. The pid is 0 if the holder
// is outside this pid namespace.
func Holder(path string) (pid int, held bool, err error) {
	file, err := open(path, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer file.Close()
	return holder(file)
}

func holder(file *os.File) (pid int, held bool, err error) {
	lock := wholeFile()
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, false, fmt.Errorf("asking who holds %s: %w", file.Name(), err)
	}
	if lock.Type != unix.F_WRLCK { // whoever may read the file may lock it to read
		return 0, false, nil
	}
	return max(int(lock.Pid), 0), true, nil
}

// open opens a regular file and follows no symbolic link in its place.
// O_NONBLOCK: a named pipe there must not block.
func open(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, foreign(path, "is a symbolic link")
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return nil, foreign(path, "is not a regular file")
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		file.Close()
		return nil, foreign(path, "is not a regular file")
	}
	return file, nil
}

// check refuses to overwrite what does not look like a pid file of ours.
func check(path string, file *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return foreign(path, fmt.Sprintf("belongs to user %d", st.Uid))
	}
	if st.Nlink > 1 {
		return foreign(path, "has another name too (a hard link)")
	}
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(file, 0, 64), 64))
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 && st.Size <= 1 {
		return nil
	}
	if _, err := strconv.ParseUint(string(text), 10, 31); err != nil {
		return foreign(path, "does not contain a pid")
	}
	return nil
}

// isAt reports whether file is what lies at path.
func isAt(file *os.File, path string) bool {
	mine, err1 := file.Stat()
	there, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

func wholeFile() unix.Flock_t {
	return unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
}
