package measure

import (
	"errors"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"zombench/measure/measuretest"
)

const statusText = "Name:\tworker\\n1\nState:\tT (stopped)\nTgid:\t40\nPid:\t40\nPPid:\t3\nUid:\t1000\t0\t0\t0\n" +
	"NSpid:\t40\t7\t1\nNSpgid:\t41\t8\t2\nNSsid:\t42\t9\t3\nThreads:\t4\nSigBlk:\t0000000000000200\nSigIgn:\t0000000000010000\nSigCgt:\tfffffffe7fc1fefe\nCapEff:\t0000000001000000\n"

func TestStatus(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{
		"40/status":  statusText,
		"40/cmdline": "worker\x00--flag\x00a b\x00",
		"40/cgroup":  "4:memory:/m\n3:pids:/p:q\n0::/u\n",
		"41/status":  strings.Replace(statusText, "SigIgn", "Sigign", 1),
		"44/status":  strings.Replace(statusText, "Uid", "uid", 1),
		"41/cgroup":  "0::/u\n",
		"42/status":  strings.Replace(statusText, "NSpid:\t40", "NSpid:\tx", 1),
		"42/cgroup":  "",
	})
	s, err := fs.Status(40)
	if err != nil {
		t.Fatal(err)
	}
	want := Status{Name: `worker\n1`, State: 'T', PPid: 3, UID: 1000, NSpid: []int{40, 7, 1}, SigBlk: 0x200, SigIgn: 0x10000, SigCgt: 0xfffffffe7fc1fefe, Threads: 4, Group: 41, Session: 42, CapEff: 1 << 24}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if !s.Init() || (Status{NSpid: []int{40, 7}}).Init() || (Status{}).Init() {
		t.Error("Init does not go by the innermost number")
	}
	for _, pid := range []int{41, 42, 44} {
		if _, err := fs.Status(pid); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d: error %v, want ErrMalformed", pid, err)
		}
	}
	if _, err := fs.Status(43); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	if c, err := fs.Command(40); c != "worker --flag a b" || err != nil {
		t.Error(c, err)
	}
	for pid, want := range map[int]string{40: "/p:q", 41: "/u", 42: ""} {
		if c, err := fs.CgroupPath(pid); c != want || err != nil {
			t.Errorf("%d: cgroup %q, %v; want %q", pid, c, err, want)
		}
	}
}

// mips64 has 128 signals: as Linux 6.1 shows those of a Go program.
func TestStatusOfManySignals(t *testing.T) {
	s, err := parseStatus([]byte(strings.Replace(statusText, "fffffffe7fc1fefe", "fffffffffffffffffffffffd783ffeff", 1)))
	if err != nil || s.SigCgt != 0xfffffffd783ffeff {
		t.Errorf("caught %x, %v", s.SigCgt, err)
	}
	if _, err := parseStatus([]byte(strings.Replace(statusText, "fffffffe7fc1fefe", "fffffffffffffffffffffffd783ffefg", 1))); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}

func TestStatusOfZombie(t *testing.T) {
	s, err := parseStatus(testdata(t, "amd64-7.3", "zombie", "status"))
	if err != nil || s.State != 'Z' || s.UID != 0 || s.Threads != 1 || s.CapEff != 0x1ffffffffff || s.Group != 0 || s.Session != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDisposition(t *testing.T) {
	bit := uint64(1) << (syscall.SIGCHLD - 1)
	for _, tt := range []struct {
		status Status
		want   Disposition
	}{
		{Status{}, Default},
		{Status{SigBlk: ^bit, SigIgn: ^bit, SigCgt: ^bit}, Default}, // every other signal
		{Status{SigIgn: bit}, Ignored},
		{Status{SigCgt: bit}, Handled},
		{Status{SigBlk: bit}, Blocked},
		{Status{SigBlk: bit, SigCgt: bit}, Handled},
		{Status{SigBlk: bit, SigIgn: bit}, Ignored},
	} {
		if got := tt.status.Disposition(syscall.SIGCHLD); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.status, got, tt.want)
		}
	}
}

// The running kernel tells of our own dispositions as we set them.
func TestDispositionLive(t *testing.T) {
	check := func(want Disposition) {
		t.Helper()
		s, err := Host().Status(0)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Disposition(syscall.SIGWINCH); got != want {
			t.Errorf("SIGWINCH is %s, want %s", got, want)
		}
	}
	signal.Ignore(syscall.SIGWINCH)
	check(Ignored)
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGWINCH)
	check(Handled)
	signal.Reset(syscall.SIGWINCH)
}
