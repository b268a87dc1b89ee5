package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/measuretest"
)

// The tests of this file ask a real kernel: a helper process, which is this
// test binary again, puts a limit on itself, reads with Read how much room
// is left, and then takes until the kernel refuses. Both must agree exactly.

const helperEnv = "ZOMBENCH_MEASURE_HELPER"

func TestMain(m *testing.M) {
	if task := os.Getenv(helperEnv); task != "" {
		if err := json.NewEncoder(os.Stdout).Encode(help(strings.Fields(task))); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// outcome is what the helper found.
type outcome struct {
	Error  string
	Skip   string
	Rounds []round
}

type round struct {
	Room  uint64 // predicted
	Made  uint64 // until the kernel refused
	Grew  uint64 // tasks that the helper's own runtime took meanwhile
	Errno syscall.Errno
}

func help(task []string) (out outcome) {
	fail := func(err error) outcome { out.Error = err.Error(); return out }
	program, err := exec.LookPath("true")
	if err != nil {
		return fail(err)
	}
	spareThreads()
	var name string
	rounds, most := 1, uint64(500)
	take := func() error { // makes a process that becomes a zombie
		_, err := syscall.ForkExec(program, []string{"true"}, nil)
		return err
	}
	giveBack := reap
	switch task[0] {
	case "pids": // DIR
		name = "pids.max"
		if err := os.WriteFile(filepath.Join(task[1], "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			return fail(err)
		}
	case "nproc": // UID LIMIT
		name = "RLIMIT_NPROC"
		uid, _ := strconv.Atoi(task[1])
		limit, _ := strconv.ParseUint(task[2], 10, 64)
		if err := syscall.Setrlimit(unix.RLIMIT_NPROC, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fail(err)
		}
		if uid != 0 {
			if err := syscall.Setuid(uid); err != nil {
				return fail(err)
			}
		}
		most = limit + 20
	case "pidmax": // LIMIT: in a pid namespace of its own
		name, rounds = "kernel.pid_max", 2 // before and after the numbers have passed 300
		if release, err := measure.Host().Release(); err == nil && !release.AtLeast(6, 14) {
			out.Skip = "kernel.pid_max is one for all namespaces before Linux 6.14"
			return out
		}
		if os.Getpid() != 1 {
			return fail(errors.New("not in a pid namespace of its own"))
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fail(err)
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return fail(err)
		}
		if err := os.WriteFile("/proc/sys/kernel/pid_max", []byte(task[1]), 0); err != nil {
			return fail(err)
		}
	case "nofile": // LIMIT
		name = "RLIMIT_NOFILE"
		limit, _ := strconv.ParseUint(task[1], 10, 64)
		if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fail(err)
		}
		var fds []int
		take = func() error {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err == nil {
				fds = append(fds, fd)
			}
			return err
		}
		giveBack = func() {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
		}
	}
	for range rounds {
		r, err := takeAll(name, most, take, giveBack)
		if err != nil {
			return fail(err)
		}
		out.Rounds = append(out.Rounds, r)
	}
	return out
}

func takeAll(name string, most uint64, take func() error, giveBack func()) (round, error) {
	var r round
	fs := measure.Host()
	var threads int
	for {
		before, err := fs.Process(0)
		if err != nil {
			return r, err
		}
		limits, err := Read(fs, Query{Count: 1, Descriptors: 1})
		if err != nil {
			return r, err
		}
		after, err := fs.Process(0)
		if err != nil {
			return r, err
		}
		if threads = after.Threads; threads != before.Threads {
			continue
		}
		r.Room = uint64(1<<64 - 1)
		for _, l := range limits {
			if l.Name == name {
				r.Room = min(r.Room, l.Room())
			}
		}
		break
	}
	defer giveBack()
	for r.Made < most {
		if err := take(); err != nil {
			if !errors.As(err, &r.Errno) {
				return r, err
			}
			break
		}
		r.Made++
	}
	giveBack() // before anything else needs room
	now, err := fs.Process(0)
	r.Grew = uint64(max(0, now.Threads-threads))
	return r, err
}

// spareThreads leaves idle threads to the runtime, so that it needs no more.
func spareThreads() {
	var ready, done sync.WaitGroup
	release := make([]int, 2)
	if err := unix.Pipe2(release, unix.O_CLOEXEC); err != nil {
		return
	}
	for range 8 {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			_, _ = unix.Read(release[0], make([]byte, 1)) // holds the thread
		})
	}
	ready.Wait()
	_ = unix.Close(release[1])
	done.Wait()
	_ = unix.Close(release[0])
}

// reap collects every child.
func reap() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// askKernel runs the helper.
func askKernel(t *testing.T, attr *syscall.SysProcAttr, task string) outcome {
	t.Helper()
	// Should the helper die, its zombies come to us and not to a pid 1 that may not reap.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	}()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), helperEnv+"="+task, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out outcome
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v: %q", err, data)
	}
	if out.Skip != "" {
		t.Skip(out.Skip)
	}
	if out.Error != "" {
		t.Fatal(out.Error)
	}
	return out
}

func (r round) check(t *testing.T, errno syscall.Errno) {
	t.Helper()
	if r.Made+r.Grew != r.Room || r.Errno != errno {
		t.Errorf("room was predicted for %d; made %d (and %d of the runtime), then %v", r.Room, r.Made, r.Grew, r.Errno)
	}
}

// pidsCgroup makes a cgroup and one inside it, with limits.
func pidsCgroup(t *testing.T, outer, inner string) string {
	t.Helper()
	measuretest.SkipUnlessRoot(t)
	m, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := m.Controller("pids")
	if err != nil {
		t.Skip(err)
	}
	parent := h.Dir()
	for h.Version == 2 && parent != h.Mount && !handsDown(parent, "pids") {
		parent = filepath.Dir(parent) // a cgroup that processes are in cannot
	}
	dir := filepath.Join(parent, fmt.Sprintf("zombench-measure-%d", os.Getpid()))
	for _, level := range []struct{ dir, limit string }{{dir, outer}, {filepath.Join(dir, "zombench-inner"), inner}} {
		if err := os.Mkdir(level.dir, 0o755); errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rmdir(t, level.dir) })
		err := os.WriteFile(filepath.Join(level.dir, "pids.max"), []byte(level.limit), 0)
		if errors.Is(err, os.ErrNotExist) {
			t.Skipf("the pids controller is not enabled below %s", parent)
		}
		if err != nil {
			t.Fatal(err)
		}
		if level.dir == dir && h.Version == 2 {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+pids"), 0); err != nil {
				t.Fatal(err)
			}
		}
		dir = level.dir
	}
	return dir
}

// handsDown reports whether the children of a cgroup of version 2 carry a controller.
func handsDown(dir, controller string) bool {
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	return err == nil && slices.Contains(strings.Fields(string(controllers)), controller)
}

// rmdir removes a cgroup, which is busy until its last task is gone for good.
func rmdir(t *testing.T, dir string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		err := os.Remove(dir)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			t.Error(err)
			return
		}
	}
}

func TestLivePidsMax(t *testing.T) {
	for _, tt := range []struct{ name, outer, inner string }{
		{"of the own cgroup", "max", "60"},
		{"one more", "max", "61"},
		{"of the cgroup above", "70", "max"},
		{"the lower of both", "80", "65"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := pidsCgroup(t, tt.outer, tt.inner)
			out := askKernel(t, nil, "pids "+dir)
			out.Rounds[0].check(t, syscall.EAGAIN)
			n, err := measure.Pids{Dir: dir}.Current()
			if n != 0 || err != nil {
				t.Errorf("%d tasks are left, %v", n, err)
			}
			if tt.outer == "max" {
				if n, err := (measure.Pids{Dir: dir}).EventsMax(); n != 1 || err != nil {
					t.Errorf("%d refusals counted, %v; want 1", n, err)
				}
			}
		})
	}
	t.Run("without a limit", func(t *testing.T) {
		out := askKernel(t, nil, "pids "+pidsCgroup(t, "max", "max"))
		if r := out.Rounds[0]; r.Errno != 0 || r.Made != 500 || r.Room != 1<<64-1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestLiveNproc(t *testing.T) {
	measuretest.SkipUnlessRoot(t)
	const uid = 254321 // nobody's
	askKernel(t, nil, fmt.Sprintf("nproc %d 60", uid)).Rounds[0].check(t, syscall.EAGAIN)
	// The same limit does not bind root, if this is the root that counts.
	if !measure.Host().InitialUserNamespace(0) {
		t.Skip("not in the initial user namespace")
	}
	if r := askKernel(t, nil, "nproc 0 60").Rounds[0]; r.Errno != 0 || r.Made != 80 || r.Room != 1<<64-1 {
		t.Errorf("root: %+v", r)
	}
}

func TestLivePidMax(t *testing.T) {
	measuretest.SkipUnlessRoot(t)
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	for _, limit := range []string{"301", "350"} {
		for _, r := range askKernel(t, attr, "pidmax "+limit).Rounds {
			r.check(t, syscall.EAGAIN)
		}
	}
}

func TestLiveNofile(t *testing.T) {
	for _, limit := range []string{"40", "41"} {
		askKernel(t, nil, "nofile "+limit).Rounds[0].check(t, syscall.EMFILE)
	}
}
