package dress

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
	"zombench/cmd/zombied/internal/clone"
)

// A Spawner starts children in a dress. It is a way of spawning as package army
// wants it. Close it when no child is left to be started.
type Spawner struct {
	list    string
	outfit  *outfit
	cgroups *cgroups // nil: none are needed
	zero    []byte   // what is written to cgroup.procs
}

// NewSpawner makes a spawner of a list of dresses. It tries each of them on a
// child of its own, so that the *Error names the one that cannot be had.
func NewSpawner(list string) (*Spawner, error) {
	garments, err := parse(list)
	if err != nil {
		return nil, err
	}
	if len(garments) > 1 {
		for _, g := range garments {
			if err := try([]garment{g}, g.word); err != nil {
				return nil, err
			}
		}
	}
	if err := try(garments, list); err != nil {
		return nil, err
	}
	return newSpawner(garments, list)
}

func newSpawner(garments []garment, list string) (*Spawner, error) {
	o, err := sew(garments)
	if err != nil {
		return nil, err
	}
	s := &Spawner{list: list, outfit: o, zero: []byte("0")}
	if o.cgroups != 0 {
		if s.cgroups, err = newCgroups(o.cgroups); err != nil {
			return nil, &Error{list, err}
		}
	}
	return s, nil
}

// try dresses one child, and collects it.
func try(garments []garment, name string) error {
	s, err := newSpawner(garments, name)
	if err != nil {
		return err
	}
	var pid [1]int32
	n, err := s.Spawn(pid[:])
	if n == 1 {
		s.Release()
		err = collect(pid[0])
	}
	return errors.Join(err, s.Close())
}

// Close removes what was made for the children.
func (s *Spawner) Close() error {
	if s.cgroups == nil {
		return nil
	}
	return s.cgroups.close()
}

// Prepare has nothing to do: NewSpawner has done it.
func (s *Spawner) Prepare(int) {}

// Release removes the cgroups that are there: zombies do not need them.
func (s *Spawner) Release() {
	if s.cgroups != nil {
		_ = s.cgroups.clear() // Close tries again, and tells
	}
}

// DieAtOnce reports false: whether a child has its dress is known when it ended.
func (s *Spawner) DieAtOnce() bool { return false }

// Spawn starts children and returns when they are dead. One that could not be
// dressed is collected, and its *Error returned.
func (s *Spawner) Spawn(pids []int32) (int, error) {
	for i := range pids {
		pid, err := s.spawn()
		if err != nil {
			return i, err
		}
		pids[i] = pid
	}
	return len(pids), nil
}

func (s *Spawner) spawn() (pid int32, err error) {
	calls := s.outfit.calls
	var dirs []string
	if s.cgroups != nil {
		join := s.cgroups.small
		if s.outfit.cgroups&own != 0 {
			if dirs, err = s.cgroups.fresh(); err != nil {
				return 0, &Error{s.list, err}
			}
			join = append(dirs[:len(dirs):len(dirs)], join...)
		}
		entries, release, err := s.entries(join)
		if err != nil {
			return 0, &Error{s.list, err}
		}
		defer release()
		calls = append(entries, calls...)
	}
	pid, err = clone.Live(s.outfit.flags, calls)
	runtime.KeepAlive(s)
	if err != nil {
		if s.outfit.flags != 0 && err != unix.EAGAIN && err != unix.ENOMEM {
			err = &Error{s.list, err} // it is the namespaces that cannot be had
		}
		return 0, err
	}
	if err := s.ended(pid); err != nil {
		return 0, errors.Join(err, collect(pid))
	}
	if s.outfit.cgroups&removed != 0 {
		if err := s.cgroups.bury(dirs); err != nil {
			return 0, errors.Join(&Error{s.list, err}, collect(pid))
		}
	}
	return pid, nil
}

// entries returns the calls by which a child enters cgroups.
func (s *Spawner) entries(dirs []string) (calls []clone.Call, release func(), err error) {
	var open []int
	release = func() {
		for _, fd := range open {
			unix.Close(fd)
		}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, "cgroup.procs")
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			release()
			return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		open = append(open, fd)
		o := outfit{}
		o.do(unix.SYS_WRITE, uintptr(fd), elements(&o, s.zero), 1)
		calls = append(calls, o.calls...)
	}
	return calls, release, nil
}

// ended waits for the end of a child, leaves it a zombie, and returns the *Error
// of one that could not be dressed.
func (s *Spawner) ended(pid int32) error {
	child, err := wait.ID(unix.P_PID, int(pid), unix.WEXITED|unix.WNOWAIT)
	killed := child.Code == wait.Killed && unix.Signal(child.Status) == unix.SIGKILL
	switch {
	case err != nil:
		return fmt.Errorf("waiting for the death of child %d: %w", pid, err)
	case child.Code == wait.Exited && child.Status != 0:
		return &Error{s.list, unix.Errno(child.Status)}
	case child.Code == wait.Exited && s.outfit.killed:
		return &Error{s.list, errors.New("the child was not killed")}
	case child.Code == wait.Exited, killed && s.outfit.killed:
		return nil
	}
	return &Error{s.list, fmt.Errorf("the child was ended by %v", unix.Signal(child.Status))}
}

// collect reaps a child.
func collect(pid int32) error {
	_, err := wait.ID(unix.P_PID, int(pid), unix.WEXITED)
	return err
}
