package janitor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
	"zombench/measure"
)

// long is a grace that no test waits for.
const long = time.Minute

func TestRunEndsInGoodOrder(t *testing.T) {
	r := launch(t, "polite", long)
	r.end()
	if !r.ProcessState.Success() {
		t.Error(r.ProcessState)
	}
	r.checkClean(t)
	// The run has waited for its janitor: it is nobody's zombie.
	if _, err := unix.Wait4(r.Janitor, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("the janitor came to us: %v", err)
	}
}

func TestRunKilled(t *testing.T) {
	r := launch(t, "polite", long)
	r.kill(t)
	// The daemon has seen its lifeline break and nobody has killed it.
	if ws := collect(t, r.Daemon); !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("the daemon ended with %#x", ws)
	}
	if ws := collect(t, r.Janitor); !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("the janitor ended with %#x", ws)
	}
	r.checkClean(t)
}

func TestRunKilledWithAStubbornDaemon(t *testing.T) {
	r := launch(t, "stubborn", 50*time.Millisecond)
	r.kill(t)
	if ws := collect(t, r.Daemon); !ws.Signaled() || ws.Signal() != unix.SIGKILL {
		t.Errorf("the daemon ended with %#x", ws)
	}
	if ws := collect(t, r.Janitor); !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("the janitor ended with %#x", ws)
	}
	r.checkClean(t)
}

func TestJanitorKilled(t *testing.T) {
	r := launch(t, "polite", long)
	if err := unix.Kill(r.Janitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.end()
	if !r.ProcessState.Success() {
		t.Error(r.ProcessState)
	}
	r.checkClean(t)
}

func TestBothKilled(t *testing.T) {
	r := launch(t, "stubborn", long)
	if err := unix.Kill(r.Janitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.kill(t)
	// The run has collected its janitor, or left it to us.
	if _, err := unix.Wait4(r.Janitor, nil, 0, nil); err != nil && err != unix.ECHILD {
		t.Fatal(err)
	}
	// Nobody has done anything yet: without this the rest would prove nothing.
	for _, dir := range r.Dirs {
		if !exists(dir) {
			t.Fatalf("%s is gone already", dir)
		}
	}
	if got := r.pidMax(t); got != "4194304" {
		t.Fatalf("the sysctl is %s already", got)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lock, err := Acquire(ctx, r.lock, measure.FS{Proc: r.proc})
	if err != nil {
		t.Fatal(err)
	}
	cleared, err := lock.ClearUp(ctx)
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(cleared.Cgroups, slices.Sorted(slices.Values(r.Dirs))) || !slices.Equal(cleared.Sysctls, []string{"kernel.pid_max = 32768"}) {
		t.Errorf("cleared %+v, want %v and the sysctl", cleared, r.Dirs)
	}
	if text := cleared.String(); !strings.Contains(text, r.Dirs[0]) || !strings.Contains(text, "pid_max") {
		t.Errorf("tells %q", text)
	}
	if again, err := lock.ClearUp(ctx); err != nil || !again.Empty() {
		t.Errorf("a second time cleared %+v, %v", again, err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	if ws := collect(t, r.Daemon); !ws.Signaled() {
		t.Errorf("the daemon ended with %#x", ws)
	}
	r.checkClean(t)
}

// While the janitor of a dead run is at work, the next run waits for it.
func TestNextRunWaitsForTheJanitor(t *testing.T) {
	r := launch(t, "stubborn", 300*time.Millisecond)
	r.kill(t)
	lock, err := Acquire(context.Background(), r.lock, measure.FS{Proc: r.proc})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range r.Dirs {
		if exists(dir) {
			t.Errorf("%s is still there", dir)
		}
	}
	if cleared, err := lock.ClearUp(context.Background()); err != nil || !cleared.Empty() {
		t.Errorf("something was left: %+v, %v", cleared, err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	collect(t, r.Daemon)
	collect(t, r.Janitor)
	r.checkClean(t)
}

func TestJanitorStandsApart(t *testing.T) {
	r := launch(t, "polite", long)
	if sid, err := unix.Getsid(r.Janitor); err != nil || sid != r.Janitor {
		t.Errorf("the janitor %d is in session %d, %v", r.Janitor, sid, err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.Janitor))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), filepath.Base(r.Dirs[0])) {
		t.Errorf("the janitor is in the trial's cgroup:\n%s", b)
	}
	for fd := range 3 {
		if file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", r.Janitor, fd)); err != nil || file != "/dev/null" {
			t.Errorf("descriptor %d is %s, %v", fd, file, err)
		}
	}
	// What ends everybody else on a terminal does not end it: it still clears up.
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if err := unix.Kill(r.Janitor, sig); err != nil {
			t.Fatal(err)
		}
	}
	r.kill(t)
	collect(t, r.Daemon)
	if ws := collect(t, r.Janitor); !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("the janitor ended with %#x", ws)
	}
	r.checkClean(t)
}

// Whatever descriptors it has been given by chance, it is no janitor's.
func TestJanitorByHand(t *testing.T) {
	for _, files := range [][]*os.File{nil, {os.Stdin}, {os.Stdin, os.Stdin, os.Stdin}} {
		cmd := reexec.Command(name)
		cmd.ExtraFiles = files
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "not by hand") {
			t.Errorf("got %q, %v", out, err)
		}
	}
}

func TestStartFails(t *testing.T) {
	lock, err := Acquire(context.Background(), filepath.Join(t.TempDir(), "lock"), measure.Host())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := start(lock, graceTime, "--no-such-flag"); err == nil {
		t.Error("started a janitor that can't be")
	}
}
