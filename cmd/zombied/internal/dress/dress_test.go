package dress

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ list, want string }{
		{"naked", ""},
		{"setsid,groups=1000,keyring", ""},
		{"rss=64M,files=1K,pending=max", ""},
		{"keyring=3", ""},
		{"", `unknown dress ""`},
		{"setsid,", `unknown dress ""`},
		{"cap", `unknown dress "cap"`},
		{"setsid=2", "dress setsid=2: takes no number"},
		{"groups=0", `dress groups=0: "0": want a number from 1 to 65536`},
		{"groups=-1", `want a number`},
		{"groups=65537", `want a number`},
		{"groups=1M", `want a number`},
		{"groups=x", `want a number`},
		{"rss=99999999999M", `want a number`},
		{"groups=1,setsid,groups=2", "dress groups is given twice"},
	} {
		err := Check(tt.list)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.list, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: error %v, want %s", tt.list, err, tt.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("setsid,groups=1000")
	f.Add("rss=64M,,=")
	f.Fuzz(func(t *testing.T, list string) {
		garments, err := parse(list)
		if err != nil {
			return
		}
		for _, g := range garments {
			if g.n > g.most && g.def != 0 || !strings.Contains(list, g.word) {
				t.Errorf("%q: %+v", list, g)
			}
		}
	})
}

func TestKindsOfErrors(t *testing.T) {
	for _, tt := range []struct {
		err                 error
		unsupported, denied bool
	}{
		{unix.ENOSYS, true, false},
		{unix.E2BIG, true, false}, // a struct with more members than the kernel knows
		{unix.EPERM, false, true},
		{&os.PathError{Op: "mkdir", Path: "x", Err: unix.EACCES}, false, true},
		{unix.EDQUOT, false, false},
		{errors.ErrUnsupported, true, false},
	} {
		e := &Error{"setsid", tt.err}
		if e.Unsupported() != tt.unsupported || e.Denied() != tt.denied {
			t.Errorf("%v: unsupported %v, denied %v", e, e.Unsupported(), e.Denied())
		}
	}
}

// spawnOne dresses one child and leaves it a zombie until the test ends. It skips
// the test where the dress cannot be had.
func spawnOne(t *testing.T, list string) int {
	t.Helper()
	s, err := NewSpawner(list)
	if e, ok := errors.AsType[*Error](err); ok && (e.Unsupported() || e.Denied()) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var pids [1]int32
	if _, err := s.Spawn(pids[:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Release()
		if err := collect(pids[0]); err != nil {
			t.Error(err)
		}
	})
	return int(pids[0])
}

// status returns a field of /proc/PID/status.
func status(t *testing.T, pid int, field string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, field)
	return ""
}

// What a zombie still shows of its dress, and what a naked one shows instead.
func TestZombiesShowTheirDress(t *testing.T) {
	session := func(t *testing.T, pid int) string {
		sid, _ := unix.Getsid(pid)
		return fmt.Sprint(sid == pid)
	}
	field := func(name string) func(*testing.T, int) string {
		return func(t *testing.T, pid int) string { return status(t, pid, name) }
	}
	queued := func(t *testing.T, pid int) string {
		pending := status(t, pid, "ShdPnd")
		return fmt.Sprint(strings.HasPrefix(pending, "8"))
	}
	level := func(t *testing.T, pid int) string {
		return fmt.Sprint(len(strings.Fields(status(t, pid, "NSpid"))))
	}
	naked := func(show func(*testing.T, int) string) string { return show(t, spawnOne(t, Naked)) }
	for _, tt := range []struct {
		list string
		show func(*testing.T, int) string
		want string
	}{
		{"setsid", session, "true"},
		{"groups=3", field("Groups"), "1 2 3"},
		{"seccomp", field("NoNewPrivs"), "1"},
		{"pending=3", queued, "true"},
		{"pidns", level, fmt.Sprint(1 + len(strings.Fields(status(t, os.Getpid(), "NSpid"))))},
	} {
		t.Run(tt.list, func(t *testing.T) {
			if got := tt.show(t, spawnOne(t, tt.list)); got != tt.want {
				t.Errorf("shows %q, want %q", got, tt.want)
			}
			if got := naked(tt.show); got == tt.want {
				t.Errorf("a naked one shows %q as well: the test proves nothing", got)
			}
		})
	}
}

// A child that cannot be dressed is no zombie but an error, which names the dress.
func TestWhoCannotBeDressed(t *testing.T) {
	_, err := NewSpawner("setsid,userns,groups=3")
	e, ok := errors.AsType[*Error](err)
	if ok && e.Dress == "userns" || ok && e.Dress == "groups=3" {
		t.Skip(err) // not this user
	}
	if !ok || e.Err != unix.EPERM { // in the new namespace groups may not be set
		t.Errorf("error %v, want EPERM", err)
	}
	children, err := measure.Host().Children(os.Getpid())
	if err != nil || len(children) > 0 {
		t.Errorf("children %v are left (%v)", children, err)
	}
}

// No cgroup is left, and the daemon is where it was.
func TestCgroupsAreGiven(t *testing.T) {
	here, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"cgroup", "grave", "oom"} {
		t.Run(list, func(t *testing.T) {
			pid := spawnOne(t, list)
			if list == "oom" {
				return
			}
			left := ours(t)
			if alive := list == "cgroup"; alive != (len(left) > 0) {
				t.Errorf("cgroups %v are there while the zombie is", left)
			}
			_ = pid
		})
	}
	if left := ours(t); len(left) > 0 {
		t.Errorf("cgroups %v are left", left)
	}
	if now, _ := os.ReadFile("/proc/self/cgroup"); string(now) != string(here) {
		t.Errorf("this process is in\n%s\nand was in\n%s", now, here)
	}
}

// ours lists the cgroups that this process made.
func ours(t *testing.T) (found []string) {
	t.Helper()
	membership, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, controller := range []string{"pids", "memory"} {
		if h, err := membership.Controller(controller); err == nil {
			here, _ := filepath.Glob(filepath.Join(h.Dir(), fmt.Sprintf("zombench-dress-%d-*", os.Getpid())))
			found = append(found, here...)
		}
	}
	return found
}
