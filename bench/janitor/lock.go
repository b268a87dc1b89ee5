package janitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// clearingTime bounds how long Acquire waits for the janitor of an earlier run:
// a little more than the janitor's own bounds.
const clearingTime = graceTime + sweepTime + 500*time.Millisecond

// Lock is the right to measure on this machine, and the journal of what was
// done with it. Its methods may be called from several goroutines.
type Lock struct {
	fs   measure.FS
	path string

	mu      sync.Mutex
	file    *os.File
	journal journal // of this run
	earlier journal // what earlier runs left in the file
	broken  error   // why the earlier journal could not be read
}

// HeldError says that another run has the machine.
type HeldError struct {
	Path     string    // of the lock file
	PID      int       // the holder, as the lock file tells; 0 if it doesn't
	Started  time.Time // when it began
	Clearing bool      // it has ended, but its janitor is still at work
}

func (e *HeldError) Error() string {
	if e.Clearing {
		return fmt.Sprintf("the run of pid %d has ended but is still being cleared up; try again in a few seconds (lock file %s)", e.PID, e.Path)
	}
	return fmt.Sprintf("another run is under way: pid %d, since %s (lock file %s); wait for it, or end it: kill %d",
		e.PID, e.Started.Local().Format("15:04:05"), e.Path, e.PID)
}

// Path returns the path of the lock file: /run/zombench.lock for root, in
// $XDG_RUNTIME_DIR for a user, who may fall back on the directory for temporary
// files.
func Path() string {
	uid := os.Geteuid()
	if uid == 0 {
		return "/run/zombench.lock"
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = fmt.Sprintf("/run/user/%d", uid)
	}
	if unix.Access(dir, unix.W_OK) == nil {
		return filepath.Join(dir, "zombench.lock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("zombench-%d.lock", uid))
}

// Acquire takes the lock, or returns a *HeldError if a run has it. If that run
// has ended and only its janitor is at work, Acquire waits for it, about six
// seconds at most. fs says where the sysctls are; a test points it elsewhere.
func Acquire(ctx context.Context, path string, fs measure.FS) (_ *Lock, err error) {
	defer func() {
		if _, held := errors.AsType[*HeldError](err); err != nil && !held {
			err = fmt.Errorf("locking %s: %w", path, err)
		}
	}()
	l := &Lock{fs: fs, path: path}
	patience, cancel := context.WithTimeout(ctx, clearingTime)
	defer cancel()
	if dir := filepath.Dir(path); dir == "/run" {
		_ = os.Mkdir(dir, 0o755) // an image from scratch has none; what is wrong else, open says
	}
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		err = flock(f)
		if err == nil && same(f, path) {
			l.file = f
			break
		}
		var held *HeldError
		if errors.Is(err, unix.EWOULDBLOCK) {
			held = l.holder(f)
			err = nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		if held != nil && !held.Clearing {
			return nil, held
		}
		select {
		case <-patience.Done():
			if held == nil { // nor has anybody else, for as long
				return nil, cmp.Or(ctx.Err(), errors.New("the file is replaced again and again"))
			}
			return nil, cmp.Or(ctx.Err(), error(held))
		case <-time.After(20 * time.Millisecond):
		}
	}
	l.earlier, l.broken = load(l.file)
	boot, _ := fs.BootID() // where it cannot be read, every journal is of this boot
	l.journal = journal{PID: os.Getpid(), Started: time.Now().Truncate(time.Second), Boot: boot}
	if l.earlier.Boot != l.journal.Boot {
		l.earlier = journal{} // the kernel has forgotten all of it
	}
	if err := l.save(); err != nil {
		l.file.Close()
		return nil, err
	}
	return l, nil
}

// open opens the lock file, making it if need be. Root's lies where only root
// can write; the others must not be led to somebody else's file by a link.
func open(path string) (*os.File, error) {
	// Nobody else may read it: who can open a file, if only to read, can lock it.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, errors.New("is a symbolic link; remove it")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return nil, fmt.Errorf("%w: %w", measure.ErrNotPermitted, err)
	case err != nil:
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Nlink > 1 {
		unix.Close(fd)
		return nil, fmt.Errorf("is not a regular file of user %d with this name alone; remove it", os.Geteuid())
	}
	if st.Mode&0o077 != 0 { // of an earlier version
		if err := unix.Fchmod(fd, 0o600); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// flock and not fcntl: the lock belongs to the open file, so that the janitor,
// who inherits it, keeps the lock when this process is gone.
func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// same reports whether path still names the file that was locked.
func same(f *os.File, path string) bool {
	a, aerr := f.Stat()
	b, berr := os.Lstat(path)
	return aerr == nil && berr == nil && os.SameFile(a, b)
}

// holder tells from the journal who holds the lock. A holder that is dead, or
// that nobody has entered yet, has a successor at work: the janitor, or a run
// that is about to enter itself.
func (l *Lock) holder(f *os.File) *HeldError {
	j, err := load(f)
	return &HeldError{
		Path:     l.path,
		PID:      j.PID,
		Started:  j.Started,
		Clearing: err != nil || j.Clearing || !l.alive(j.PID),
	}
}

// alive reports whether a process runs: a zombie does not.
func (l *Lock) alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := l.fs.Process(pid)
	return err == nil && !p.Zombie()
}

// Close enters that the run is over and gives the lock back, unless a janitor
// still has it.
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.journal.PID = 0
	return errors.Join(l.save(), l.file.Close())
}
