package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts cmd inside the cgroup, from its first instruction: what it
// allocates is charged there, and so is everything that it starts in turn.
// Otherwise it is cmd.Start.
//
// Version 2 can do that in clone3 (CLONE_INTO_CGROUP, Linux 5.7;
// measure.ErrNotSupported before). In version 1 a child belongs where the
// thread belongs that makes it: such a thread is moved into the cgroup for the
// length of the call, alone, and back.
func (c *Cgroup) Start(cmd *exec.Cmd) error {
	for _, d := range c.dirs {
		if d.lock == nil {
			return fmt.Errorf("starting %s: the cgroup %s is removed", cmd.Path, d.path)
		}
		if d.version == 2 {
			attr := syscall.SysProcAttr{}
			if cmd.SysProcAttr != nil {
				attr = *cmd.SysProcAttr
			}
			attr.UseCgroupFD = true
			attr.CgroupFD = int(d.lock.Fd())
			cmd.SysProcAttr = &attr
		}
	}
	return onThread(func() error { return c.startOnThread(cmd) })
}

// onThread runs f on a goroutine of its own that is locked to a thread other
// than the main one. If f leaves its thread locked, the runtime ends the thread
// together with the goroutine; the main thread it could only park, for ever.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- onThread(f) // elsewhere, as we hold this one
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

// startOnThread does the work of Start on a locked thread. It unlocks it only if
// the way back out of the cgroup succeeds, so nothing of ours stays inside.
func (c *Cgroup) startOnThread(cmd *exec.Cmd) error {
	err := c.enter()
	if err == nil {
		if err = cmd.Start(); err != nil {
			err = startError(cmd, err)
		}
	}
	if leaveErr := c.leave(); leaveErr != nil {
		if err == nil {
			return nil // the child runs where it should: our thread dies, that's all
		}
		return errors.Join(err, leaveErr)
	}
	runtime.UnlockOSThread()
	return err
}

// enter moves the calling thread into the directories of version 1.
func (c *Cgroup) enter() error {
	return c.moveThread("entering", func(d dir) string { return d.path })
}

// leave moves the calling thread back to where its process belongs.
func (c *Cgroup) leave() error {
	return c.moveThread("leaving", func(d dir) string { return d.own })
}

// moveThread moves the calling thread by writing 0 to tasks (cgroup1_procs_write:
// pid 0 is the writer itself).
func (c *Cgroup) moveThread(doing string, to func(dir) string) error {
	var errs []error
	for _, d := range c.dirs {
		if d.version != 1 {
			continue
		}
		if err := write(filepath.Join(to(d), "tasks"), "0"); err != nil {
			errs = append(errs, denied(1, fmt.Errorf("%s the cgroup: %w", doing, err)))
		}
	}
	return errors.Join(errs...)
}

// startError tells what a failed start has to do with the cgroup.
func startError(cmd *exec.Cmd, err error) error {
	into := cmd.SysProcAttr != nil && cmd.SysProcAttr.UseCgroupFD
	switch {
	case into && (errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.E2BIG)):
		return notSupported(fmt.Errorf("starting %s inside a cgroup: %w: needs clone3 with CLONE_INTO_CGROUP, Linux 5.7, and no seccomp filter in its way", cmd.Path, err))
	case into && errors.Is(err, unix.EBUSY):
		return fmt.Errorf("starting %s inside a cgroup: %w: it hands down controllers to children of its own", cmd.Path, err)
	}
	return err
}
