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
	const dir = "/sys/fs/cgroup/grave"
	zombie(dir)
	namespace(dir)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts this program as a child that ends or stays, with these flags for
// clone(2) and in a new cgroup unless dir is empty.
func start(what string, flags uintptr, dir string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", what)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if dir != "" {
		must(os.Mkdir(dir, 0o755))
		d, err := os.Open(dir)
		must(err)
		defer d.Close()
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(d.Fd())
	}
	must(c.Start())
	return c
}

// awaitDead waits until a child is a zombie.
func awaitDead(c *exec.Cmd) {
	must(unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))
}

// zombie signals a zombie, and removes its cgroup.
func zombie(dir string) {
	child := start("end", 0, dir)
	awaitDead(child)
	signal(child.Process.Pid)
	remove(dir, "beside its zombie", child)
}

// namespace removes the cgroup of the init of a pid namespace that was killed. It
// waits in zap_pid_ns_processes for all of the namespace to be gone, of which one is
// a child of ours.
func namespace(dir string) {
	initial := start("stay", unix.CLONE_NEWPID, dir)
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", initial.Process.Pid))
	must(err)
	var child *exec.Cmd
	entered := make(chan struct{})
	go func() {
		defer close(entered)
		runtime.LockOSThread() // and never unlocked: the thread ends, with the namespace for its children
		must(unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID))
		child = start("stay", 0, "")
	}()
	<-entered
	must(initial.Process.Kill())
	awaitDead(child) // by the end of its namespace
	remove(dir, "of a dying init", child)
	_ = initial.Wait()
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
func signal(pid int) {
	const sent, last = 20, 64
	before := queued()
	for range sent {
		must(unix.Kill(pid, last))
	}
	fmt.Printf("signals to a zombie are queued: %v\n", queued()-before >= sent)
}

// queued is how many signals are queued to this user's processes (SigQ of
// proc_pid_status(5)).
func queued() (n int) {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	_, rest, _ := strings.Cut(string(status), "\nSigQ:")
	_, err = fmt.Sscanf(rest, "%d/", &n)
	must(err)
	return n
}
