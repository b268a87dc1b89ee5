package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/cmd/zombied/internal/army"
	"zombench/measure"
)

// patience bounds every wait for a daemon.
const patience = 60 * time.Second

// A driven is a daemon in the foreground that is driven over its protocol, as
// the harness does it.
type driven struct {
	t        *testing.T
	cmd      *exec.Cmd
	pid      int
	socket   *net.UnixConn
	lifeline *os.File
	log      bytes.Buffer // complete when the daemon has ended
}

// message is one datagram.
type message map[string]string

func (m message) num(t *testing.T, key string) int {
	t.Helper()
	n, err := strconv.Atoi(m["X_ZOMBENCH_"+key])
	if err != nil {
		t.Errorf("X_ZOMBENCH_%s: %v in %v", key, err, m)
	}
	return n
}

// drive starts a daemon. The command wrap, if any, is put in front of it.
func drive(t *testing.T, wrap []string, args ...string) *driven {
	t.Helper()
	machine.Shared(t)
	d := &driven{t: t}
	name := filepath.Join(t.TempDir(), "notify")
	var err error
	if d.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.socket.Close() })
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.lifeline = w
	t.Cleanup(func() { w.Close() })
	line := slices.Concat(wrap, []string{"zombied", "start", "--foreground", "--lifeline", "3"}, args)
	d.cmd = exec.Command(line[0], line[1:]...)
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+name)
	d.cmd.ExtraFiles = []*os.File{r}
	d.cmd.Stderr = &d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	d.pid = d.cmd.Process.Pid
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", &d.log)
		}
	})
	return d
}

// until waits for the message that tells of a phase.
func (d *driven) until(phase phase) message {
	d.t.Helper()
	_ = d.socket.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 1<<16)
	for {
		n, err := d.socket.Read(buf)
		if err != nil {
			d.t.Fatalf("waiting for %s: %v", phase, err)
		}
		m := message{}
		for line := range strings.Lines(string(buf[:n])) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			m[key] = value
		}
		if m["X_ZOMBENCH_PHASE"] == string(phase) {
			return m
		}
	}
}

func (d *driven) order(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

// ends waits for the daemon's end and returns its exit status.
func (d *driven) ends() int {
	d.t.Helper()
	watchdog := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer watchdog.Stop()
	_ = d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode()
}

// children counts the children of a process by their state.
func children(t *testing.T, pid int) (zombies, living []int) {
	t.Helper()
	all, err := measure.Host().Children(pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range all {
		p, err := measure.Host().Process(child)
		if err != nil {
			continue
		}
		if p.Zombie() {
			zombies = append(zombies, child)
		} else {
			living = append(living, child)
		}
	}
	return zombies, living
}

func threadsOf(t *testing.T, pid int) int {
	t.Helper()
	p, err := measure.Host().Process(pid)
	if err != nil {
		t.Fatal(err)
	}
	return p.Threads
}

// The heart of the matter: between held and reaped the daemon's tasks are
// exactly its zombies.
func TestProtocol(t *testing.T) {
	const count = 300
	for _, spawn := range army.SpawnerNames() {
		for _, parallel := range []int{1, 50} {
			t.Run(fmt.Sprintf("spawn=%s/parallel=%d", spawn, parallel), func(t *testing.T) {
				d := drive(t, nil, "--hold", "--count", strconv.Itoa(count), "--parallel", strconv.Itoa(parallel), "--spawn", spawn)
				m := d.until(held)
				if m["READY"] != "1" || m["MAINPID"] != strconv.Itoa(d.pid) || m["STATUS"] == "" {
					t.Errorf("held: %v", m)
				}
				tasks := threadsOf(t, d.pid)
				if n := m.num(t, "THREADS"); n != tasks || n < parallel+army.Spares {
					t.Errorf("%d threads reported when held, %d there", n, tasks)
				}
				for range 2 {
					d.order(syscall.SIGUSR1)
					m = d.until(standing)
					if m.num(t, "STANDING") != count || m.num(t, "FAILED") != 0 || m.num(t, "SPAWN_NS") <= 0 || m["X_ZOMBENCH_ERROR"] != "" {
						t.Errorf("standing: %v", m)
					}
					if n := m.num(t, "THREADS"); n != tasks || threadsOf(t, d.pid) != tasks {
						t.Errorf("%d threads reported when standing, %d there, were %d", n, threadsOf(t, d.pid), tasks)
					}
					if zombies, living := children(t, d.pid); len(zombies) != count || len(living) != 0 {
						t.Errorf("%d zombies and %d living children stand", len(zombies), len(living))
					}
					d.order(syscall.SIGUSR1) // ignored while an army stands
					d.order(syscall.SIGUSR2)
					m = d.until(reaped)
					if m.num(t, "EXITED") != count || m.num(t, "KILLED") != 0 || m.num(t, "DUMPED") != 0 ||
						m.num(t, "SIGNALS") != 0 || m.num(t, "STANDING") != 0 || m.num(t, "REAP_NS") <= 0 {
						t.Errorf("reaped: %v", m)
					}
					if n := m.num(t, "THREADS"); n != tasks || threadsOf(t, d.pid) != tasks {
						t.Errorf("%d threads reported when reaped, %d there, were %d", n, threadsOf(t, d.pid), tasks)
					}
					if zombies, living := children(t, d.pid); len(zombies)+len(living) != 0 {
						t.Errorf("%d zombies and %d living children left", len(zombies), len(living))
					}
				}
				d.order(syscall.SIGTERM)
				if status := d.ends(); status != 0 {
					t.Errorf("exit status %d", status)
				}
			})
		}
	}
}

// os-exec holds a pidfd for each zombie while the army stands, and none when it
// is reported as reaped; exec never holds one.
func TestPidfds(t *testing.T) {
	const count = 100
	pidfds := func(pid int) (n int) {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Skip(err)
		}
		for _, fd := range fds {
			if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); strings.Contains(to, "pidfd") {
				n++
			}
		}
		return n
	}
	for spawn, want := range map[string]int{"exec": 0, "os-exec": count} {
		d := drive(t, nil, "--hold", "--count", strconv.Itoa(count), "--spawn", spawn)
		d.until(held)
		if n := pidfds(d.pid); n != 0 {
			t.Errorf("%s: %d pidfds when held", spawn, n)
		}
		d.order(syscall.SIGUSR1)
		d.until(standing)
		if n := pidfds(d.pid); n != want {
			t.Errorf("%s: %d pidfds when standing, want %d", spawn, n, want)
		}
		d.order(syscall.SIGUSR2)
		d.until(reaped)
		if n := pidfds(d.pid); n != 0 {
			t.Errorf("%s: %d pidfds when reaped", spawn, n)
		}
	}
}

// Without an order to hold, being ready means that the army stands.
func TestReadyWhenStanding(t *testing.T) {
	d := drive(t, nil, "--count", "50")
	if m := d.until(raising); m["READY"] != "" {
		t.Errorf("ready while raising: %v", m)
	}
	if m := d.until(standing); m["READY"] != "1" || m.num(t, "STANDING") != 50 {
		t.Errorf("standing: %v", m)
	}
}

func TestEmptyArmy(t *testing.T) {
	d := drive(t, nil, "--hold", "--count", "0")
	d.until(held)
	d.order(syscall.SIGUSR1)
	d.until(standing)
	d.order(syscall.SIGUSR2)
	if m := d.until(reaped); m.num(t, "EXITED") != 0 {
		t.Errorf("reaped: %v", m)
	}
}

// The end of the lifeline leaves nothing; a stop leaves the zombies to the
// daemon's reaper, which is this process.
func TestWhatIsLeft(t *testing.T) {
	const count = 40
	for name, tt := range map[string]struct {
		end  func(*driven)
		left int
	}{
		"lifeline": {func(d *driven) { d.lifeline.Close() }, 0},
		"SIGTERM":  {func(d *driven) { d.order(syscall.SIGTERM) }, count},
		"SIGINT":   {func(d *driven) { d.order(syscall.SIGINT) }, count},
		"SIGHUP":   {func(d *driven) { d.order(syscall.SIGHUP) }, count},
	} {
		before, _ := children(t, os.Getpid())
		d := drive(t, nil, "--count", strconv.Itoa(count))
		d.until(standing)
		tt.end(d)
		if status := d.ends(); status != 0 {
			t.Errorf("%s: exit status %d", name, status)
		}
		after, _ := children(t, os.Getpid())
		if n := len(after) - len(before); n != tt.left {
			t.Errorf("%s: %d zombies came to the reaper, want %d", name, n, tt.left)
		}
	}
}

// blockingTrue puts a program true on PATH that ends at once, or, when block has
// been called, not before it is killed.
func blockingTrue(t *testing.T) (block func()) {
	t.Helper()
	dir := t.TempDir()
	flag := filepath.Join(dir, "block")
	script := fmt.Sprintf("#!/bin/sh\n[ -e %s ] || exit 0\nexec sleep 1000\n", flag)
	if err := os.WriteFile(filepath.Join(dir, "true"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() {
		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !holds(); {
		if time.Now().After(until) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestKilledChildren(t *testing.T) {
	block := blockingTrue(t)
	const count = 6
	d := drive(t, nil, "--hold", "--count", strconv.Itoa(count), "--parallel", strconv.Itoa(count), "--spawn", "exec", "--program", "true")
	d.until(held)
	block()
	d.order(syscall.SIGUSR1)
	var living []int
	await(t, "all children live", func() bool {
		_, living = children(t, d.pid)
		return len(living) == count
	})
	for _, pid := range living {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	if m := d.until(standing); m.num(t, "STANDING") != count {
		t.Errorf("standing: %v", m)
	}
	d.order(syscall.SIGUSR2)
	m := d.until(reaped)
	if m.num(t, "KILLED") != count || m.num(t, "EXITED") != 0 || m.num(t, "SIGNALS") != 0 {
		t.Errorf("reaped: %v, want %d killed by no signal of the daemon", m, count)
	}
}

// A stop is followed even while children do not end.
func TestStopWhileRaising(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		block := blockingTrue(t)
		d := drive(t, nil, "--hold", "--count", "100", "--parallel", "3", "--program", "true")
		d.until(held)
		block()
		d.order(syscall.SIGUSR1)
		var living []int
		await(t, "three children live", func() bool {
			_, living = children(t, d.pid)
			return len(living) == 3
		})
		d.order(sig)
		if status := d.ends(); status != 0 {
			t.Errorf("%v: exit status %d", sig, status)
		}
		for _, pid := range living {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// An order to reap cancels a raise.
func TestReapWhileRaising(t *testing.T) {
	d := drive(t, nil, "--hold", "--count", "20000", "--parallel", "2", "--force")
	d.until(held)
	d.order(syscall.SIGUSR1)
	await(t, "some zombies stand", func() bool {
		m := d.until(raising)
		return m.num(t, "STANDING") > 0
	})
	d.order(syscall.SIGUSR2)
	m := d.until(reaped)
	if n := m.num(t, "EXITED"); n == 0 || n >= 20000 {
		t.Errorf("%d zombies were reaped, want some and not all", n)
	}
	if zombies, living := children(t, d.pid); len(zombies)+len(living) != 0 {
		t.Errorf("%d zombies and %d living children left", len(zombies), len(living))
	}
}

// smallCgroup makes a cgroup with a pids.max for this test.
func smallCgroup(t *testing.T, limit int) (dir string) {
	t.Helper()
	groups, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Skip(err)
	}
	h, err := groups.Controller("pids")
	if err != nil {
		t.Skip(err)
	}
	dir, err = os.MkdirTemp(h.Dir(), "zombench-zombied-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		await(t, "the cgroup can be removed", func() bool { return unix.Rmdir(dir) == nil })
	})
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(limit)), 0); err != nil {
		t.Skipf("no pids controller for new cgroups here: %v", err)
	}
	return dir
}

// EAGAIN in the middle: what stands is kept and counted exactly, and the limit
// is named.
func TestLimitInTheMiddle(t *testing.T) {
	const limit, count = 200, 500
	for _, spawn := range army.SpawnerNames() {
		for _, parallel := range []int{1, 10} {
			t.Run(fmt.Sprintf("spawn=%s/parallel=%d", spawn, parallel), func(t *testing.T) {
				dir := smallCgroup(t, limit)
				enter := []string{"sh", "-c", "echo $$ > " + dir + "/cgroup.procs && exec \"$@\"", "sh"}
				args := []string{"--hold", "--count", strconv.Itoa(count), "--parallel", strconv.Itoa(parallel), "--spawn", spawn}

				// Beforehand it is refused.
				d := drive(t, enter, args...)
				if status := d.ends(); status != exitFailed {
					t.Errorf("exit status %d, want %d", status, exitFailed)
				}
				want := "pids.max is too low"
				if log := d.log.String(); !strings.Contains(log, want) || !strings.Contains(log, dir) {
					t.Errorf("refused with %q, want %q and %s", log, want, dir)
				}

				d = drive(t, enter, append(args, "--force")...)
				d.until(held)
				d.order(syscall.SIGUSR1)
				m := d.until(standing)
				stands := m.num(t, "STANDING")
				if zombies, living := children(t, d.pid); len(zombies) != stands || len(living) != 0 {
					t.Errorf("%d zombies and %d living children stand, but %d were reported", len(zombies), len(living), stands)
				}
				if n := stands + threadsOf(t, d.pid); n != limit {
					t.Errorf("%d tasks, want all of %d", n, limit)
				}
				if n := m.num(t, "FAILED"); n < 1 || n > parallel {
					t.Errorf("%d spawns failed, want 1 to %d", n, parallel)
				}
				reason := m["X_ZOMBENCH_ERROR"]
				for _, want := range []string{fmt.Sprintf("%d of %d zombies created", stands, count), "pids.max", dir, "echo "} {
					if !strings.Contains(reason, want) {
						t.Errorf("the reason %q lacks %q", reason, want)
					}
				}
				d.order(syscall.SIGUSR2)
				if m := d.until(reaped); m.num(t, "EXITED") != stands {
					t.Errorf("reaped: %v", m)
				}
				d.order(syscall.SIGTERM)
				d.ends()
			})
		}
	}
}

// A harness that gives orders at random, and does not listen, is obeyed at the end:
// the daemon stops, and none of its children lives.
func TestMadHarness(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 0))
		d := drive(t, nil, "--hold", "--count", "200", "--parallel", "4", "--spawn", []string{"exec", "clone", "os-exec"}[rng.IntN(3)])
		d.until(held)
		for range 50 {
			d.order([]syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCHLD, syscall.SIGHUP, syscall.SIGWINCH}[rng.IntN(3+2*int(seed%2))])
			if d.cmd.Process.Signal(syscall.Signal(0)) != nil {
				break
			}
		}
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		if status := d.ends(); status != 0 {
			t.Errorf("seed %d: exit status %d", seed, status)
		}
	}
}
