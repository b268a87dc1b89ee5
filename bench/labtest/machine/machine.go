// Package machine is the machine as live tests have it: orphans come to the test
// and not to pid 1, and a lock keeps the armies of several packages apart.
//
// It is the floor of package labtest for the tests of packages that labtest
// itself is built on. It is for tests alone.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// Run runs the tests of a package as a child subreaper: what they leave behind
// comes to this process and not to pid 1, which need not reap, and is an error.
// It returns the exit status.
func Run(m interface{ Run() int }) int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "becoming a child subreaper:", err)
		return 1
	}
	// A program built with the race detector sleeps a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	status := m.Run()
	for unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != unix.ECHILD {
		children, err := measure.Host().Children(os.Getpid())
		fmt.Fprintf(os.Stderr, "children %v are left after the tests (%v)\n", children, err)
		status = max(status, 1)
		if err != nil {
			break // they cannot be named
		}
		for _, pid := range children { // whose own children come to us
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}
	return status
}

// held is the lock of this process. flock(2) locks belong to an open file: a
// second one of the same process would wait for the first for ever.
var held struct {
	sync.Mutex
	file  *os.File
	how   int
	count int // tests that have it
}

// Exclusive gives a test the machine for itself, until it ends, among the tests
// of all packages that ask for it: live armies would disturb each other's
// readings of the whole system. Tests of one package have it together; they are
// not to run in parallel.
func Exclusive(t testing.TB) { lock(t, unix.LOCK_EX) }

// Shared is for a test that raises zombies and reads nothing of the whole
// system: it waits for those that do, and they wait for it.
func Shared(t testing.TB) { lock(t, unix.LOCK_SH) }

func lock(t testing.TB, how int) {
	t.Helper()
	held.Lock()
	defer held.Unlock()
	if held.count == 0 {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("zombench-labtest-%d.lock", os.Getuid()))
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		held.file, held.how = file, unix.LOCK_UN
	}
	held.count++
	t.Cleanup(release)
	if held.how == unix.LOCK_EX || held.how == how {
		return
	}
	for {
		err := unix.Flock(int(held.file.Fd()), how)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("taking the lock of all live tests: %v", err)
		}
		held.how = how
		return
	}
}

// release gives the lock back with the last test that has it.
func release() {
	held.Lock()
	defer held.Unlock()
	if held.count--; held.count == 0 {
		held.file.Close()
	}
}
