package janitor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/measure"
)

func acquired(t *testing.T, path string, fs measure.FS) *Lock {
	t.Helper()
	l, err := Acquire(context.Background(), path, fs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAcquireTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first := acquired(t, path, measure.Host())
	_, err := Acquire(context.Background(), path, measure.Host())
	var held *HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() || held.Clearing || held.Path != path {
		t.Fatalf("got %#v, want a HeldError with our pid", err)
	}
	if text := err.Error(); !strings.Contains(text, strconv.Itoa(os.Getpid())) || strings.Contains(text, "\n") {
		t.Errorf("tells %q", text)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := acquired(t, path, measure.Host()).Close(); err != nil {
		t.Fatal(err)
	}
	if !exists(path) {
		t.Error("the lock file is gone")
	}
}

// Who can read a lock file can lock it, and keep every run waiting.
func TestLockFileIsForNobodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := acquired(t, path, measure.Host())
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

// A holder that is dead has a janitor at work, and the patience with it is the caller's.
func TestAcquireWhileClearing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first := acquired(t, path, measure.Host())
	defer first.Close()
	first.journal.Clearing = true
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Acquire(ctx, path, measure.Host()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context: it must wait", err)
	}
}

func TestAcquireOddFiles(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	hard := filepath.Join(dir, "hard")
	if err := os.Link(target, hard); err != nil {
		t.Fatal(err)
	}
	paths := []string{link, hard, fifo, dir, filepath.Join(dir, "none", "lock")}
	if os.Geteuid() == 0 {
		foreign := filepath.Join(dir, "foreign")
		if err := os.WriteFile(foreign, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, foreign)
	}
	for _, path := range paths {
		if _, err := Acquire(context.Background(), path, measure.Host()); err == nil {
			t.Errorf("took %s for a lock file", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name %s", err, path)
		}
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "precious" {
		t.Errorf("wrote through a link: %q, %v", b, err)
	}
}

func TestBrokenJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte(`{"pid": "x`), 0o644); err != nil {
		t.Fatal(err)
	}
	l := acquired(t, path, measure.Host())
	defer l.Close()
	if _, err := l.ClearUp(context.Background()); !errors.Is(err, measure.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
	if _, err := l.ClearUp(context.Background()); err != nil {
		t.Errorf("once is enough: %v", err)
	}
}

// What follows the journal is the end of a longer one, of a process killed
// between the write and the truncation.
func TestJournalWithATail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte(`{"pid":7,"sysctls":{"kernel.pid_max":"32768"}}`+"\n"+`ax":"1"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if j, err := load(f); err != nil || j.PID != 7 || j.Sysctls["kernel.pid_max"] != "32768" {
		t.Errorf("got %+v, %v", j, err)
	}
}

func TestSysctls(t *testing.T) {
	proc, path := fakeProc(t), filepath.Join(t.TempDir(), "lock")
	fs := measure.FS{Proc: proc}
	file := filepath.Join(proc, "sys/kernel/pid_max")
	raise := func(l *Lock, old, value string) {
		t.Helper()
		if err := l.Record("kernel.pid_max", old); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(file); err != nil || string(b) != want {
			t.Errorf("the sysctl is %q, %v; want %q", b, err, want)
		}
	}

	crashed := acquired(t, path, fs)
	raise(crashed, "32768\n", "1000000\n")
	raise(crashed, "1000000\n", "2000000\n")
	crashed.file.Close() // as the kernel does when it dies

	// A run that does not clear up first raises it once more: the first value
	// is still the one to put back.
	careless := acquired(t, path, fs)
	raise(careless, "2000000\n", "4194304\n")
	careless.file.Close()

	l := acquired(t, path, fs)
	raise(l, "4194304\n", "4194304\n")
	cleared, err := l.ClearUp(context.Background())
	if err != nil || len(cleared.Sysctls) != 1 {
		t.Errorf("cleared %+v, %v", cleared, err)
	}
	check("32768\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSysctlThatCanNotBePutBack(t *testing.T) {
	proc, path := fakeProc(t), filepath.Join(t.TempDir(), "lock")
	fs := measure.FS{Proc: proc}
	l := acquired(t, path, fs)
	if err := l.Record("kernel.threads-max", "100"); err != nil {
		t.Fatal(err)
	}
	l.file.Close()

	l = acquired(t, path, fs)
	if _, err := l.ClearUp(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// It stays for the next one.
	if err := os.WriteFile(filepath.Join(proc, "sys/kernel/threads-max"), []byte("999"), 0o644); err != nil {
		t.Fatal(err)
	}
	l = acquired(t, path, fs)
	defer l.Close()
	if cleared, err := l.ClearUp(context.Background()); err != nil || len(cleared.Sysctls) != 1 {
		t.Errorf("cleared %+v, %v", cleared, err)
	}
}

func TestJournalOfAnotherBoot(t *testing.T) {
	proc, path := fakeProc(t), filepath.Join(t.TempDir(), "lock")
	fs := measure.FS{Proc: proc}
	boot := filepath.Join(proc, "sys/kernel/random/boot_id")
	if err := os.Mkdir(filepath.Dir(boot), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 0} { // the first has nothing, the second what the first left, the third is of another boot
		if i != 1 {
			if err := os.WriteFile(boot, []byte(strconv.Itoa(i)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l := acquired(t, path, fs)
		cleared, err := l.ClearUp(context.Background())
		if err != nil || len(cleared.Sysctls) != want {
			t.Errorf("run %d: cleared %+v, %v; want %d sysctls", i, cleared, err, want)
		}
		if err := l.Record("kernel.pid_max", "32768"); err != nil {
			t.Fatal(err)
		}
		l.file.Close()
	}
}

func TestRecordNonsense(t *testing.T) {
	l := acquired(t, filepath.Join(t.TempDir(), "lock"), measure.FS{Proc: fakeProc(t)})
	defer l.Close()
	for _, name := range []string{"", "../../etc/passwd", "/etc/passwd"} {
		if err := l.Record(name, "1"); !errors.Is(err, measure.ErrMalformed) {
			t.Errorf("Record(%q): %v", name, err)
		}
	}
}

// What an earlier run has switched on is undone, but not under the feet of a
// run that stands on it.
func TestClearUpSparesThePresentRun(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "lock"), t.TempDir()
	control := filepath.Join(dir, "cgroup.subtree_control")
	if err := os.WriteFile(control, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(control); err != nil || string(b) != want {
			t.Errorf("wrote %q, %v; want %q", b, err, want)
		}
	}
	l := acquired(t, path, measure.Host())
	if err := l.RecordParent(cgroup.Parent{Dir: dir, Version: 2, Enabled: []string{"pids"}}); err != nil {
		t.Fatal(err)
	}
	l.file.Close() // as the kernel does when it dies

	l = acquired(t, path, measure.Host())
	if err := l.RecordParent(cgroup.Parent{Dir: dir, Version: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ClearUp(context.Background(), dir); err != nil {
		t.Error(err)
	}
	check("")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = acquired(t, path, measure.Host())
	defer l.Close()
	if _, err := l.ClearUp(context.Background()); err != nil {
		t.Error(err)
	}
	check("-pids")
}

func TestRecordParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := acquired(t, path, measure.Host())
	dir := t.TempDir()
	altered := cgroup.Parent{Dir: dir, Version: 2, Controllers: []string{"pids"}, Enabled: []string{"pids"}, Leaf: true}
	for _, p := range []cgroup.Parent{altered, {Dir: dir, Version: 2}} {
		if err := l.RecordParent(p); err != nil {
			t.Fatal(err)
		}
	}
	j, err := load(l.file)
	if err != nil || len(j.Dirs) != 1 || !j.Dirs[0].Leaf {
		t.Errorf("the journal holds %+v, %v; want what was altered", j.Dirs, err)
	}
	l.file.Close()
	l = acquired(t, path, measure.Host())
	defer l.Close()
	if _, err := l.ClearUp(context.Background()); err != nil {
		t.Errorf("a parent that is gone: %v", err)
	}
	if j, err := load(l.file); err != nil || len(j.Dirs) != 0 {
		t.Errorf("the journal still holds %+v, %v", j.Dirs, err)
	}
}
