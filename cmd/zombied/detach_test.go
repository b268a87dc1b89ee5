package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/cmd/zombied/internal/pidfile"
	"zombench/measure"
)

// detached starts a daemon that detaches and returns its pid. It is gone at the
// end of the test.
func detached(t *testing.T, cmd *exec.Cmd, path string) (pid int) {
	t.Helper()
	machine.Shared(t)
	t.Cleanup(func() { stopHolder(path) })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, out)
	}
	return holder(t, path)
}

func TestDaemonsSurroundings(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pid")
	log := filepath.Join(dir, "log")
	stray, err := os.Create(filepath.Join(dir, "stray"))
	if err != nil {
		t.Fatal(err)
	}
	r, lifeline, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lifeline.Close()
	// Descriptor 3 is nobody's business, 4 is the lifeline.
	inherit := []*os.File{stray, r}

	cmd := exec.Command("sh", "-c", "umask 077; exec zombied --count 10 --pidfile "+path+" --log "+log+" --lifeline 4")
	cmd.Dir = dir
	cmd.ExtraFiles = inherit
	pid := detached(t, cmd, path)
	r.Close()

	// The control is a process that did nothing of the kind.
	control := exec.Command("sleep", "1000")
	control.Dir = dir
	control.ExtraFiles = []*os.File{stray}
	if err := control.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = control.Process.Kill()
		_ = control.Wait()
	}()

	fds := func(pid int) map[string]string {
		m := map[string]string{}
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			m[e.Name()], _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name()))
		}
		return m
	}
	own := fds(pid)
	if own["0"] != "/dev/null" || own["1"] != log || own["2"] != log {
		t.Errorf("stdin, stdout, stderr are %s, %s, %s", own["0"], own["1"], own["2"])
	}
	isStray := func(to string) bool { return to == stray.Name() }
	if hasValue(own, isStray) {
		t.Errorf("the daemon inherited a descriptor: %v", own)
	}
	if !hasValue(fds(control.Process.Pid), isStray) {
		t.Error("the control did not inherit the descriptor: the test proves nothing")
	}
	pipes := 0
	for _, to := range own {
		if strings.HasPrefix(to, "pipe:") {
			pipes++
		}
	}
	if pipes != 1 {
		t.Errorf("%d pipes are open, want the lifeline alone: %v", pipes, own)
	}

	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if cwd != "/" {
		t.Errorf("cwd is %q, %v", cwd, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if !bytes.Contains(status, []byte("\nUmask:\t0022\n")) {
		t.Errorf("umask is not 022: %s, %v", status, err)
	}
	stat := statOf(t, pid)
	if stat.Session == pid || stat.Session == statOf(t, os.Getpid()).Session || stat.TTY != 0 {
		t.Errorf("pid %d: session %d, terminal %d; want another session's and none", pid, stat.Session, stat.TTY)
	}
	if stat.PPID != os.Getpid() {
		t.Errorf("parent %d, want this subreaper, %d", stat.PPID, os.Getpid())
	}
	if comm := stat.Comm; comm != "zombied" {
		t.Errorf("the process is called %q", comm)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(environ, []byte("ZOMBIED_STAGE=daemon")) {
		t.Errorf("environment %q, %v: the daemon was not made the way that is tested", environ, err)
	}

	// A detached daemon has a lifeline too.
	lifeline.Close()
	await(t, "the daemon ends", func() bool {
		_, held, err := pidfile.Holder(path)
		return err == nil && !held
	})
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the pid file is left behind: %v", err)
	}
}

func hasValue(m map[string]string, is func(string) bool) bool {
	for _, v := range m {
		if is(v) {
			return true
		}
	}
	return false
}

func statOf(t *testing.T, pid int) procfs.ProcStat {
	t.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return stat
}

// Closing the terminal ends what runs in it, but not a daemon.
func TestTerminalCloses(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("the tests themselves were started by nohup")
	}
	machine.Shared(t)
	for name, tt := range map[string]struct {
		command string
		lives   bool
	}{
		"detached":   {"zombied --count 10 --pidfile $0; exec sleep 1000", true},
		"foreground": {"exec zombied --foreground --count 10 --pidfile $0", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			t.Cleanup(func() { stopHolder(path) })
			master, slave, err := pty.Open()
			if err != nil {
				t.Skip(err)
			}
			cmd := exec.Command("sh", "-c", tt.command, path)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			slave.Close()
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			await(t, "the army stands", func() bool {
				s, err := readStatusAt(path)
				return err == nil && s.Zombies == 10
			})
			if on := statOf(t, cmd.Process.Pid).TTY; on == 0 {
				t.Error("the shell has no terminal: the test proves nothing")
			}
			pid := holder(t, path)

			master.Close() // hangs up: SIGHUP to the session's leader and to its foreground
			_ = cmd.Wait()
			if !tt.lives {
				if _, held, _ := pidfile.Holder(path); held {
					t.Error("the daemon in the foreground has not ended")
				}
				return
			}
			if now := holder(t, path); now != pid {
				t.Errorf("pid %d is the daemon now, was %d", now, pid)
			}
			// It does not ignore its orders either, not even a SIGHUP of its own.
			if err := unix.Kill(pid, unix.SIGHUP); err != nil {
				t.Error(err)
			}
			if out, err := exec.Command("zombied", "reap", "--pidfile", path).CombinedOutput(); err != nil {
				t.Errorf("reap: %v: %s", err, out)
			}
			holder(t, path)
		})
	}
}

func readStatusAt(path string) (status, error) { return readStatus(measure.Host(), path) }

// Who interrupts the command before the daemon is ready wants no daemon.
func TestInterruptedStart(t *testing.T) {
	blockingTrue(t)() // not even the warm-up ends
	path := filepath.Join(t.TempDir(), "pid")
	t.Cleanup(func() { stopHolder(path) })
	cmd := exec.Command("zombied", "--count", "5", "--parallel", "2", "--program", "true", "--pidfile", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var living []int
	await(t, "the daemon prepares", func() bool {
		pid, held, _ := pidfile.Holder(path)
		if held {
			_, living = children(t, pid)
		}
		return len(living) == 2
	})
	defer func() {
		for _, pid := range living {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "zombied: ") {
		t.Errorf("the interrupted command ends with %v and says %q", err, stderr.String())
	}
	await(t, "the daemon ends", func() bool {
		_, held, err := pidfile.Holder(path)
		return err == nil && !held
	})
}

// A daemon that dies without a word is told of as well.
func TestDaemonDiesBeforeItIsReady(t *testing.T) {
	blockingTrue(t)()
	path := filepath.Join(t.TempDir(), "pid")
	t.Cleanup(func() { stopHolder(path) })
	cmd := exec.Command("zombied", "--count", "5", "--parallel", "2", "--program", "true", "--pidfile", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var living []int
	await(t, "the daemon prepares", func() bool {
		pid, held, _ := pidfile.Holder(path)
		if held {
			_, living = children(t, pid)
		}
		return len(living) == 2
	})
	stopHolder(path)
	for _, pid := range living {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "exited before it was ready") {
		t.Errorf("the command ends with %v and says %q", err, stderr.String())
	}
}

// An army that is not complete is an error, unless it was asked for by force.
func TestIncompleteArmyDetached(t *testing.T) {
	machine.Shared(t)
	for _, force := range []bool{false, true} {
		dir := smallCgroup(t, 120)
		path := filepath.Join(t.TempDir(), "pid")
		args := []string{"-c", "echo $$ > " + dir + "/cgroup.procs && exec \"$@\"", "sh",
			"zombied", "--count", "300", "--parallel", "2", "--pidfile", path}
		want := "300 zombies do not fit"
		if force {
			args = append(args, "--force")
			want = "of 300 zombies created"
		}
		out, err := exec.Command("sh", args...).CombinedOutput()
		if (err == nil) != force || !strings.Contains(string(out), want) || !strings.Contains(string(out), "pids.max") {
			t.Errorf("force %v: %v: %s", force, err, out)
		}
		_, held, _ := pidfile.Holder(path)
		if held != force {
			t.Errorf("force %v: the daemon runs: %v", force, held)
		}
		stopHolder(path)
		zombies, _ := children(t, os.Getpid())
		for _, pid := range slices.Backward(zombies) { // or the cgroup's pids stay taken
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}
}
