package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/bench/labtest"
	"zombench/measure"
)

// patience bounds how long what a run leaves may take to go. The promise is
// five seconds; a machine that is busy with other tests gets more.
const patience = 30 * time.Second

// A harness is a zombench run in a process of its own.
type harness struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    string // result file
	stderr bytes.Buffer
	dirs   []string // where its cgroups are
}

// startHarness starts a run of one long army and waits until some of its
// zombies stand.
func startHarness(t *testing.T) *harness {
	t.Helper()
	if os.Geteuid() != 0 || !canMakeCgroups() {
		t.Skip("needs root and a cgroup hierarchy with the pids controller")
	}
	place, err := cgroup.Find(measure.Host())
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, out: filepath.Join(t.TempDir(), "out.txt"), dirs: place.Dirs()}
	if err := place.Close(); err != nil {
		t.Fatal(err)
	}
	h.cmd = exec.Command("zombench", "run", "--zombied", labtest.Zombied(t), "--lock", filepath.Join(t.TempDir(), "lock"),
		"--count", "400", "--parallel", "2", "--samples", "20", "-o", h.out)
	h.cmd.Stderr = &h.stderr
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if h.cmd.ProcessState == nil {
			h.cmd.Process.Kill()
			h.cmd.Wait()
		}
	})
	h.await("some zombies stand", func() bool { return h.zombies() > 20 })
	return h
}

// await waits until something has come about, by looking again and again.
func (h *harness) await(what string, done func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("never came about: %s\n%s", what, h.stderr.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// cgroups returns the cgroups of the run that exist.
func (h *harness) cgroups() []string {
	var found []string
	for _, dir := range h.dirs {
		paths, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%s%d-*", cgroup.Prefix, h.cmd.Process.Pid)))
		if err != nil {
			h.t.Fatal(err)
		}
		found = append(found, paths...)
	}
	return found
}

// zombies returns how many tasks the run's cgroup holds beyond a daemon's
// threads.
func (h *harness) zombies() int {
	most := 0
	for _, dir := range h.cgroups() {
		if n, err := (measure.Pids{Dir: dir}).Current(); err == nil {
			most = max(most, int(n)-100)
		}
	}
	return most
}

// child returns the pid of a child of the harness by its command, 0 if it has
// none.
func (h *harness) child(word string) int {
	children, err := measure.Host().Children(h.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	for _, pid := range children {
		cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && strings.Contains(string(cmdline), word) {
			return pid
		}
	}
	return 0
}

// leavesNothing waits until daemon, zombies, janitor and cgroups are gone.
// Orphans come to this process, and count as gone once it could collect them.
func (h *harness) leavesNothing(pids ...int) {
	h.t.Helper()
	left := func() []string {
		if _, err := daemon.CollectOrphans(h.t.Context(), nil, func() bool { return false }); err != nil {
			h.t.Fatal(err)
		}
		left := h.cgroups()
		for _, pid := range pids {
			if pid == 0 {
				continue // between two trials no daemon was there
			}
			if p, err := measure.Host().Process(pid); err == nil {
				left = append(left, fmt.Sprintf("%+v", p))
			}
		}
		return left
	}
	defer func() {
		if h.t.Failed() {
			h.t.Logf("left: %v", left())
		}
	}()
	h.await("nothing of the run is left", func() bool { return len(left()) == 0 })
}

func TestKilledHarnessLeavesNothing(t *testing.T) {
	h := startHarness(t)
	zombied, janitor := h.child("zombied"), h.child("janitor")
	if zombied == 0 || janitor == 0 {
		t.Fatalf("zombied is pid %d, the janitor %d", zombied, janitor)
	}
	h.cmd.Process.Kill()
	h.cmd.Wait()
	h.leavesNothing(zombied, janitor)
}

func TestKilledJanitorLeavesNothing(t *testing.T) {
	h := startHarness(t)
	zombied, janitor := h.child("zombied"), h.child("janitor")
	if err := syscall.Kill(janitor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	h.cmd.Wait()
	h.leavesNothing(zombied, janitor)
}

// When both are killed something may be left; that it is so is the control
// for the tests above. The next run clears it up and says so.
func TestNextRunClearsUp(t *testing.T) {
	h := startHarness(t)
	zombied, janitor := h.child("zombied"), h.child("janitor")
	if err := syscall.Kill(janitor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.cmd.Process.Kill()
	h.cmd.Wait()
	if len(h.cgroups()) == 0 {
		t.Fatal("no cgroup is left when both are killed: the other tests could not fail")
	}
	lock := h.cmd.Args[5]
	out, err := exec.Command("zombench", "run", "--zombied", h.cmd.Args[3], "--lock", lock,
		"--count", "5", "--parallel", "1", "--samples", "1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("cleared up after an earlier run: removed ")) {
		t.Errorf("the next run does not say that it cleared up:\n%s", out)
	}
	h.leavesNothing(zombied, janitor)
}

func TestInterruptedRunKeepsWhatItHas(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skip("the tests themselves were started by nohup")
			}
			h := startHarness(t)
			h.await("a trial is recorded", func() bool {
				b, err := os.ReadFile(h.out)
				return err == nil && bytes.Contains(b, []byte("\nBenchmarkZombies"))
			})
			zombied, janitor := h.child("zombied"), h.child("janitor")
			if err := h.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			h.cmd.Wait()
			if code := h.cmd.ProcessState.ExitCode(); code != 128+int(sig) {
				t.Errorf("exit status %d, want %d", code, 128+int(sig))
			}
			if !strings.Contains(h.stderr.String(), "interrupted after") {
				t.Errorf("it does not say that it was interrupted:\n%s", &h.stderr)
			}
			h.leavesNothing(zombied, janitor)

			out, err := exec.Command("zombench", "report", h.out).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("1000 zombies hold ")) {
				t.Errorf("what was measured cannot be reported: %v\n%s", err, out)
			}
		})
	}
}

func TestOneRunAtATime(t *testing.T) {
	h := startHarness(t)
	out, err := exec.Command("zombench", "run", "--zombied", h.cmd.Args[3], "--lock", h.cmd.Args[5], "--count", "5", "--samples", "1").CombinedOutput()
	want := fmt.Sprintf("another run is under way: pid %d", h.cmd.Process.Pid)
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("the second run ended with %v, want an error with %q:\n%s", err, want, out)
	}
	h.cmd.Process.Signal(os.Interrupt)
	h.cmd.Wait()
	h.leavesNothing()
}
