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

// leaderArg tells a test binary to become what EndedLeader starts.
const leaderArg = "zombietest-leader"

// Main is the TestMain of packages that call EndedLeader.
func Main(m *testing.M) {
	if os.Args[0] == leaderArg {
		endLeader()
	}
	os.Exit(m.Run())
}

// EndedLeader starts a process whose main thread ends while others live on, until
// the test ends, and returns its pid. The test binary has to call Main.
func EndedLeader(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = leaderArg
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
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
