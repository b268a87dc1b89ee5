// Zombie is a guest that tells what a kernel does to zombies, and what they do to
// others: it sends signals to one, removes its cgroup, and removes the cgroup of
// the init of a pid namespace that cannot end before somebody is reaped.
//
// The last has a watchdog. From Linux 6.19 to 7.0.7 rmdir(2) waits for tasks that
// are about to end (1b164b876c36; mended by 93618edf7538): whoever removes the
// cgroup and has to reap the zombie waits for ever.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/vm/guest"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	switch strings.Join(os.Args[1:], " ") {
	case "end":
		return
	case "stay":
		time.Sleep(time.Hour)
		return
	}
	for _, do := range []func(dir string) error{zombie, namespace} {
		if err := do("/sys/fs/cgroup/grave"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// start starts this program as a child that ends or stays, with these flags for
// clone(2) and in a new cgroup unless dir is empty.
func start(what string, flags uintptr, dir string) (*exec.Cmd, error) {
	c := exec.Command("/proc/self/exe", what)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if dir != "" {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		d, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(d.Fd())
	}
	return c, c.Start()
}

// dead waits until a child is a zombie.
func dead(c *exec.Cmd) error {
	return unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
}

// zombie signals a zombie, and removes its cgroup.
func zombie(dir string) error {
	child, err := start("end", 0, dir)
	if err != nil {
		return err
	}
	if err := dead(child); err != nil {
		return err
	}
	if err := signal(child.Process.Pid); err != nil {
		return err
	}
	remove(dir, "beside its zombie", child)
	return nil
}

// namespace removes the cgroup of the init of a pid namespace that was killed. It
// waits in zap_pid_ns_processes for all of the namespace to be gone, of which one is
// a child of ours.
func namespace(dir string) error {
	initial, err := start("stay", unix.CLONE_NEWPID, dir)
	if err != nil {
		return err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", initial.Process.Pid))
	if err != nil {
		return err
	}
	var child *exec.Cmd
	entered := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, with the namespace for its children
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID)
		if err == nil {
			child, err = start("stay", 0, "")
		}
		entered <- err
	}()
	if err := <-entered; err != nil {
		return err
	}
	if err := initial.Process.Kill(); err != nil {
		return err
	}
	if err := dead(child); err != nil { // by the end of its namespace
		return err
	}
	remove(dir, "of a dying init", child)
	_ = initial.Wait()
	return nil
}

// patience is how long rmdir may take that nothing holds up.
const patience = 10 * time.Second

// remove removes a cgroup, says what became of that, and reaps a child: after it,
// or at last so that it ends.
func remove(dir, what string, child *exec.Cmd) {
	done := make(chan error, 1)
	go func() { done <- unix.Rmdir(dir) }()
	returned := func(when string) bool {
		select {
		case err := <-done:
			fmt.Printf("rmdir %s returns %s: %v\n", what, when, err)
			return true
		case <-time.After(patience):
			fmt.Printf("rmdir %s hangs %s\n", what, when)
			return false
		}
	}
	ok := returned("before the reap")
	_ = child.Wait()
	if !ok {
		returned("after the reap")
	}
}

// signal sends real-time signals to a zombie, and says whether they are queued; one
// or the other may be that somebody else has.
func signal(pid int) error {
	const sent, last = 20, 64
	before, err := queued()
	if err != nil {
		return err
	}
	for range sent {
		if err := unix.Kill(pid, last); err != nil {
			return err
		}
	}
	after, err := queued()
	fmt.Printf("signals to a zombie are queued: %v\n", after-before >= sent)
	return err
}

// queued is how many signals are queued to this user's processes (SigQ of
// proc_pid_status(5)).
func queued() (n int, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\nSigQ:")
	_, err = fmt.Sscanf(rest, "%d/", &n)
	return n, err
}
