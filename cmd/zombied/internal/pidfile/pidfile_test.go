package pidfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// holdVar makes the test binary hold a pid file until its stdin ends: the lock
// can be seen only from another process.
const holdVar = "PIDFILE_TEST_HOLD"

func TestMain(m *testing.M) {
	path := os.Getenv(holdVar)
	if path == "" {
		os.Exit(m.Run())
	}
	f, err := Acquire(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := f.Remove(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// hold lets another process hold a pid file; release ends it in order.
func hold(t *testing.T, path string) (pid int, release func(), kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdVar+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q", line)
	}
	release = func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return cmd.Process.Pid, release, kill
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write0(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAcquireAndRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	f, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strconv.Itoa(os.Getpid()) + "\n"; f == nil || func() string {
		b := make([]byte, 100)
		n, _ := f.file.ReadAt(b, 0) // not by path: closing that would drop the lock
		return string(b[:n])
	}() != want {
		t.Errorf("the file does not hold %q", want)
	}
	info, err := f.file.Stat()
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v, want 0644", info.Mode(), err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	if pid, held, err := Holder(path); held || err != nil {
		t.Errorf("Holder of nothing = %d, %v, %v", pid, held, err)
	}
	pid, release, _ := hold(t, path)
	_, err := Acquire(path)
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("already running, pid %d ", pid)) {
		t.Errorf("Acquire() = %v, want that pid %d holds it", err, pid)
	}
	if got, held, err := Holder(path); got != pid || !held || err != nil {
		t.Errorf("Holder() = %d, %v, %v, want %d", got, held, err, pid)
	}
	if got, want := read(t, path), fmt.Sprintln(pid); got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	release()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after an orderly end: %v", err)
	}
}

func TestStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	_, _, kill := hold(t, path)
	kill()
	left := read(t, path) // still there: the process had no time to remove it
	if _, held, err := Holder(path); held || err != nil {
		t.Errorf("Holder of a stale file: %v, %v", held, err)
	}
	pid, release, _ := hold(t, path)
	if got := read(t, path); got != fmt.Sprintln(pid) || got == left {
		t.Errorf("the file holds %q, want %d; it held %q", got, pid, left)
	}
	release()
}

// The number of a living process in a file that nobody holds is not a daemon.
func TestNumberOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	write0(t, path, "1")
	if _, held, err := Holder(path); held || err != nil {
		t.Errorf("Holder() = %v, %v", held, err)
	}
	f, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Remove()
}

func TestForeign(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	write0(t, target, "17\n") // it even looks like a pid file
	for _, tt := range []struct {
		name, reason string
		make         func(path string) error
	}{
		{"symlink", "symbolic link", func(path string) error { return os.Symlink(target, path) }},
		{"dangling", "symbolic link", func(path string) error { return os.Symlink(filepath.Join(dir, "nothing"), path) }},
		{"directory", "not a regular file", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"pipe", "not a regular file", func(path string) error { return unix.Mkfifo(path, 0o600) }},
		{"hard link", "another name", func(path string) error { return os.Link(target, path) }},
		{"text", "does not contain a pid", func(path string) error { return os.WriteFile(path, []byte("127.0.0.1 localhost\n"), 0o600) }},
		{"blanks", "does not contain a pid", func(path string) error { return os.WriteFile(path, []byte(strings.Repeat(" ", 5000)+"keep"), 0o600) }},
		{"number and more", "does not contain a pid", func(path string) error { return os.WriteFile(path, []byte("12\n13\n"), 0o600) }},
	} {
		path := filepath.Join(dir, tt.name)
		if err := tt.make(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(target)
		_, err := Acquire(path)
		if err == nil || !strings.Contains(err.Error(), tt.reason) || !strings.Contains(err.Error(), ", so it is not used as a pid file: ") {
			t.Errorf("%s: Acquire() = %v, want a foreign file, %s", tt.name, err, tt.reason)
		}
		if after, _ := os.ReadFile(target); string(after) != string(before) {
			t.Errorf("%s: the target now holds %q", tt.name, after)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a dangling link was followed")
	}
}

// Whoever may read a file may lock it to read: that keeps no daemon from starting,
// and is none that could be stopped.
func TestLockedToRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	write0(t, path, "17\n")
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	// A lock of the open file and not of the process: it is another's to us.
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(other.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if pid, held, err := Holder(path); held || err != nil {
		t.Errorf("Holder() = %d, %v, %v, want nobody", pid, held, err)
	}
	f, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, path), fmt.Sprintln(os.Getpid()); got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
}

func TestForeignOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	write0(t, path, "")
	if os.Geteuid() != 0 || os.Chown(path, 12345, -1) != nil {
		t.Skip("only root can give files away")
	}
	if _, err := Acquire(path); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("Acquire() = %v", err)
	}
}

// A file that has taken the place of the held one is not removed.
func TestRemoveOnlyOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	f, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	write0(t, path, "99")
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if read(t, path) != "99" {
		t.Error("the other file is gone")
	}
}

func TestNoFile(t *testing.T) {
	var f *File
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := Acquire(filepath.Join(t.TempDir(), "no", "such", "directory")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Acquire() = %v", err)
	}
}
