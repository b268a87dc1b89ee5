// Zombie is a guest that tells what a kernel does to a zombie: it sends it signals
// and removes its cgroup, which it has to reap itself. For the latter it has a
// watchdog: from Linux 6.19 to 7.0.7 rmdir(2) waits for the zombie to leave, which
// is for ever (1b164b876c36; mended by 93618edf7538).
package main

import (
	"fmt"
	"os"
	"os/exec"
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
	if len(os.Args) > 1 {
		return // the child's whole life
	}
	if err := run("/sys/fs/cgroup/grave"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience is how long rmdir may take that nothing holds up.
const patience = 10 * time.Second

func run(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	child := exec.Command("/proc/self/exe", "child")
	child.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(d.Fd())}
	if err := child.Start(); err != nil {
		return err
	}
	if err := unix.Waitid(unix.P_PID, child.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		return err
	}
	if err := signal(child.Process.Pid); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- unix.Rmdir(dir) }()
	if returned(done, "beside its zombie") {
		return child.Wait()
	}
	if err := child.Wait(); err != nil {
		return err
	}
	returned(done, "after the reap")
	return nil
}

// signal sends real-time signals to a zombie, and says how many of them are queued.
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
	fmt.Printf("of %d signals to a zombie %d are queued\n", sent, after-before)
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

// returned waits for rmdir, and says whether it returned.
func returned(done chan error, when string) bool {
	select {
	case err := <-done:
		fmt.Printf("rmdir returned %s: %v\n", when, err)
		return true
	case <-time.After(patience):
		fmt.Printf("rmdir hangs %s\n", when)
		return false
	}
}
