package janitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/measure"
)

// The other processes that the test binary plays, by their argument zero.
const (
	runPart    = "zombench-test-run"
	daemonPart = "zombench-test-daemon"
)

// Orphans of the runs that we kill come to us; each test collects its own.
func TestMain(m *testing.M) {
	reexec.Dispatch(Program(),
		reexec.Program{Name: runPart, Main: func(args []string) int { return status(playRun(args)) }},
		reexec.Program{Name: daemonPart, Main: func([]string) int {
			_, err := io.Copy(io.Discard, os.Stdin)
			return status(err)
		}})
	os.Exit(machine.Run(m))
}

// status is the exit status of a part that has ended with an error, or not.
func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// story is what a run tells of itself.
type story struct {
	Janitor, Daemon int // pids
	Dirs            []string
	Parents         []cgroup.Parent
}

// playRun is a run that has raised a sysctl and started a daemon in a cgroup.
// It ends in good order when its stdin does.
func playRun(args []string) error {
	path, proc, manner := args[0], args[1], args[2]
	grace, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	ctx := context.Background()
	lock, err := Acquire(ctx, path, measure.FS{Proc: proc})
	if err != nil {
		return err
	}
	j, err := start(lock, grace)
	if err != nil {
		return err
	}
	place, err := cgroup.Search{FS: measure.Host(), With: []int{j.Pid()}, Record: lock.RecordParent}.Find()
	if err != nil {
		return err
	}
	c, err := place.Fresh("trial")
	if err != nil {
		return err
	}
	daemon := reexec.Command(daemonPart)
	lifeline, err := daemon.StdinPipe()
	if err != nil {
		return err
	}
	if manner == "stubborn" { // it holds its own lifeline
		daemon.ExtraFiles = []*os.File{lifeline.(*os.File)}
	}
	if err := c.Start(daemon); err != nil {
		return err
	}
	if err := lock.Record("kernel.pid_max", "32768"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(proc, "sys/kernel/pid_max"), []byte("4194304\n"), 0o644); err != nil {
		return err
	}
	s := story{Janitor: j.Pid(), Daemon: daemon.Process.Pid, Dirs: c.Dirs(), Parents: place.Parents()}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	_ = daemon.Process.Kill()
	_ = daemon.Wait()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return errors.Join(c.Remove(ctx), place.Close(), j.Finish(ctx), lock.Close())
}

// run is a run under test.
type run struct {
	*exec.Cmd
	story
	lock, proc string // paths
	end        func() // ends its stdin and waits for it
}

// launch starts a run in a cgroup of its own, where it finds nobody else's and
// nobody else clears up.
func launch(t *testing.T, manner string, grace time.Duration) *run {
	t.Helper()
	machine.Shared(t)
	place, err := cgroup.Find(measure.Host())
	if errors.Is(err, measure.ErrNotPermitted) || errors.Is(err, measure.ErrNotSupported) {
		t.Skip("needs cgroups: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := place.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := place.Fresh("test-" + t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // fails if the run has left anything in it
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Remove(ctx); err != nil {
			t.Error(err)
		}
	})

	r := &run{lock: filepath.Join(t.TempDir(), "lock"), proc: fakeProc(t)}
	r.Cmd = reexec.Command(runPart, r.lock, r.proc, manner, grace.String())
	r.Stderr = os.Stderr
	in, err := r.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(r.Cmd); err != nil {
		t.Fatal(err)
	}
	ended := false
	r.end = func() {
		if !ended {
			ended = true
			in.Close()
			_ = r.Wait()
		}
	}
	t.Cleanup(r.end)
	if err := json.NewDecoder(out).Decode(&r.story); err != nil {
		t.Fatalf("the run tells nothing: %v", err)
	}
	for _, dir := range r.Dirs {
		if !exists(dir) {
			t.Fatalf("the run has made no %s", dir)
		}
	}
	return r
}

// fakeProc makes a proc root that holds nothing but a sysctl.
func fakeProc(t *testing.T) string {
	t.Helper()
	proc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(proc, "sys/kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "sys/kernel/pid_max"), []byte("32768\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return proc
}

// kill ends the run with -9.
func (r *run) kill(t *testing.T) {
	t.Helper()
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.end()
}

// collect waits for an orphan of the run.
func collect(t *testing.T, pid int) unix.WaitStatus {
	t.Helper()
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, 0, nil)
		if err == nil {
			return ws
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatalf("wait for %d: %v", pid, err)
		}
	}
}

// checkClean looks for what the run might have left.
func (r *run) checkClean(t *testing.T) {
	t.Helper()
	for i, dir := range r.Dirs {
		if exists(dir) {
			t.Errorf("%s is still there", dir)
		}
		if leaf := filepath.Join(r.Parents[i].Dir, "zombench-self"); exists(leaf) {
			t.Errorf("%s is still there", leaf)
		}
	}
	if got := r.pidMax(t); got != "32768" {
		t.Errorf("the sysctl is %s, want 32768", got)
	}
	f, err := os.Open(r.lock)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if j, err := load(f); err != nil || j.PID != 0 || j.Clearing || len(j.Dirs) > 0 || len(j.Sysctls) > 0 {
		t.Errorf("the journal still holds %+v, %v", j, err)
	}
}

func (r *run) pidMax(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.proc, "sys/kernel/pid_max"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
