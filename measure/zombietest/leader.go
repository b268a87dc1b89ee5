package zombietest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a test binary is told to become.
const (
	leaderArg = "zombietest-leader"
	leakerArg = "zombietest-go"
)

// Main is the TestMain of packages that call EndedLeader or GoLeaker.
func Main(m *testing.M) {
	switch os.Args[0] {
	case leaderArg:
		endLeader()
	case leakerArg:
		leak()
	}
	os.Exit(m.Run())
}

// EndedLeader starts a process whose main thread ends while others live on, until
// the test ends, and returns its pid. The test binary has to call Main.
func EndedLeader(t testing.TB) int { return become(t, leaderArg, 0) }

// GoLeaker starts a Go program that starts others and never calls Wait, in a pid
// namespace of its own, and returns its pid. The test binary has to call Main.
func GoLeaker(t testing.TB) int { return become(t, leakerArg, unix.CLONE_NEWPID) }

func become(t testing.TB, arg string, namespaces uintptr) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = arg
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: namespaces}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

// leak leaves as many zombies as a test needs, and waits for its end.
func leak() {
	for range 20 {
		if err := exec.Command("/bin/true").Start(); err != nil {
			os.Exit(1)
		}
	}
	time.Sleep(time.Hour)
}

// endLeader ends the main thread of this process alone, whichever goroutine the
// runtime puts on it: each that comes to another thread keeps that one.
func endLeader() {
	for {
		go func() {
			runtime.LockOSThread()
			if unix.Gettid() == unix.Getpid() {
				unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
			}
			time.Sleep(time.Hour)
		}()
		time.Sleep(10 * time.Millisecond)
	}
}
