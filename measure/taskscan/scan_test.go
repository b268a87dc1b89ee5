package taskscan

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/zombietest"
)

func TestMain(m *testing.M) { zombietest.Main(m) }

// scanner returns a Scanner. Only an old kernel, one without BTF and a user
// without rights are excuses.
func scanner(t testing.TB) *Scanner {
	t.Helper()
	s, err := New()
	switch {
	case errors.Is(err, measure.ErrNotPermitted) && os.Geteuid() != 0:
		t.Skip(err)
	case errors.Is(err, measure.ErrNotSupported):
		if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil && atLeast(5, 8) {
			t.Fatalf("this kernel should have it: %v", err)
		}
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func atLeast(major, minor int) bool {
	var u unix.Utsname
	var a, b int
	_ = unix.Uname(&u)
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

func scan(t testing.TB, s *Scanner) map[int]Task {
	t.Helper()
	all := make(map[int]Task)
	if err := s.Scan(func(k *Task) { all[k.PID] = *k }); err != nil {
		t.Fatal(err)
	}
	return all
}

// What stood all the while is in the scan as /proc says it is, beside processes
// that come and go.
func TestAsProc(t *testing.T) {
	s := scanner(t)
	zombietest.Start(t, `while (1) { my $p = fork; $p or exit; waitpid $p, 0 }`) // churn
	army := zombietest.Army(t, 50)
	for range 20 {
		before := proc(t)
		got := scan(t, s)
		after := proc(t)
		same, zombies := 0, 0
		for pid, b := range before {
			if a, ok := after[pid]; !ok || a != b {
				continue
			}
			k, ok := got[pid]
			if !ok && pid == 1 {
				t.Log("the iterator does not show pid 1: some sandboxes hide it")
				continue
			}
			if !ok {
				t.Errorf("%d is not in the scan: %+v", pid, b)
				continue
			}
			if b.PPid != k.PPid || b.Threads != k.Threads || b.StartTicks != uint64(k.Start/(10*time.Millisecond)) {
				t.Errorf("%+v, /proc says %+v", k, b)
			}
			if b.State == 'Z' && k.State != 'Z' || k.Zombie() != b.Zombie() {
				t.Errorf("%+v in state %c, /proc says %c", k, k.State, b.State)
			}
			same++
			if k.Zombie() && k.PPid == army.PID {
				zombies++
			}
		}
		if same < 5 || zombies != 50 {
			t.Errorf("%d processes compared, %d zombies of 50", same, zombies)
		}
	}
}

func proc(t *testing.T) map[int]measure.Process {
	t.Helper()
	all, err := measure.Host().Processes()
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[int]measure.Process)
	for _, b := range all {
		m[b.PID] = b
	}
	return m
}

var many = flag.Bool("many", false, "25 000 zombies instead of 2000")

// 2000 zombies are found, and not one dentry or inode of proc is made for them.
// The control makes them.
func TestNoTrace(t *testing.T) {
	n := 2000
	if *many {
		n = 25_000
	}
	s := scanner(t)
	army := zombietest.Army(t, n)
	count := func() (dentries, inodes uint64) {
		t.Helper()
		state, err := os.ReadFile("/proc/sys/fs/dentry-state")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(state), &dentries); err != nil {
			t.Fatal(err)
		}
		slab, err := measure.Host().Slabinfo()
		if err != nil {
			t.Fatal(err)
		}
		line, ok := slab.Lookup("proc_inode_cache")
		if !ok {
			t.Fatal("no cache of proc's inodes")
		}
		return dentries, line.ActiveObjs
	}
	// Others come and go meanwhile, so the least of some rounds counts.
	least := func(rounds int, how func()) (dentries, inodes int64) {
		t.Helper()
		count() // the files themselves
		for i := range rounds {
			d0, i0 := count()
			how()
			d1, i1 := count()
			d, n := int64(d1-d0), int64(i1-i0)
			if i == 0 || d < dentries {
				dentries = d
			}
			if i == 0 || n < inodes {
				inodes = n
			}
		}
		return dentries, inodes
	}
	fastest := time.Hour
	d, i := least(10, func() {
		start := time.Now()
		found := 0
		if err := s.Scan(func(k *Task) {
			if k.Zombie() && k.PPid == army.PID {
				found++
			}
		}); err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(start))
		if found != n {
			t.Errorf("%d zombies, want %d", found, n)
		}
	})
	t.Logf("%d zombies in %v: %+d dentries, %+d proc inodes", n, fastest, d, i)
	if d > 0 || i > 0 {
		t.Errorf("a scan makes %d dentries and %d inodes", d, i)
	}
	// The control is of an army that nobody else has looked at yet, which others may
	// be quick to do: with some tries.
	const few = 1000
	for try := range 10 {
		army := zombietest.Army(t, few)
		d, i = least(1, func() { proc(t) })
		army.Stop()
		t.Logf("by /proc: %+d dentries, %+d proc inodes for %d zombies", d, i, few)
		if d >= few && i >= few/2 {
			return
		}
		t.Logf("try %d: others have looked at them before", try)
	}
	t.Error("the control, a walk of /proc, makes no dentries and inodes: nothing can be told here")
}

// What is counted of a user's tasks, threads and zombies among them, and of numbers
// is what /proc says.
func TestCount(t *testing.T) {
	scanner(t)
	c, err := NewCounter()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const aUser = 1_901_000_003 // nobody else's
	army := zombietest.Start(t, `setpgrp 0, 0; $) = "$ARGV[0] $ARGV[0]"; $( = $ARGV[0]; $< = $> = $ARGV[0]; # perl alone, as guests have it
		for (1 .. 7) { my $p = fork; $p or exit } select undef, undef, undef, 0.3; print "ready\n"; sleep 1 while 1`, fmt.Sprint(aUser))
	army.Line(t)
	fs := measure.Host()
	want, err := fs.Status(army.PID)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int]measure.Task)
	theirs := 0
	if err := c.Count(func(k measure.Task) {
		all[k.TID] = k
		if k.UID == aUser {
			theirs++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got := all[army.PID]; theirs != 8 || got.UID != aUser || got.Group != want.Group || got.Session != want.Session {
		t.Errorf("%d tasks, %+v, want %+v", theirs, got, want)
	}
	own, err := fs.Tasks(os.Getpid())
	if err != nil || len(own) < 2 {
		t.Fatal(own, err)
	}
	for _, tid := range own {
		if all[tid].TID != tid || all[tid].UID != 0 {
			t.Errorf("thread %d: %+v", tid, all[tid])
		}
	}
}

// What a scan takes, for each of some thousand zombies.
func BenchmarkScan(b *testing.B) {
	n := 2000
	if *many {
		n = 25_000
	}
	s := scanner(b)
	zombietest.Army(b, n)
	fastest := time.Hour
	for b.Loop() {
		start := time.Now()
		if err := s.Scan(func(*Task) {}); err != nil {
			b.Fatal(err)
		}
		fastest = min(fastest, time.Since(start))
	}
	b.ReportMetric(float64(fastest.Nanoseconds())/float64(n), "fastest-ns/zombie")
}

// A zombie's age counts from its death. Of one that was busy until then the kernel
// may only know when its last run began, which can be its birth: there the test
// tells no more than that the age is not too short.
func TestDead(t *testing.T) {
	s := scanner(t)
	for _, tt := range []struct {
		name, life string
		early      func(lasted time.Duration) time.Duration // how much earlier the death may seem
	}{
		{"slept", "select undef, undef, undef, 0.6", func(time.Duration) time.Duration { return 0 }},
		{"was busy", "my $i = 0; $i++ while $i < 10_000_000", func(lasted time.Duration) time.Duration { return lasted }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := zombietest.Start(t, `my $p = fork;
				if (!$p) { `+tt.life+`; exit }
				sleep 30`)
			// A scan is of some moment between before and after.
			look := func() (k Task, before, after time.Time) {
				before = time.Now()
				for _, z := range scan(t, s) {
					if z.PPid == p.PID && z.Zombie() {
						k = z
					}
				}
				return k, before, time.Now()
			}
			var lasted time.Duration
			born := time.Now()
			within := func(what string, d, lo, hi time.Duration) {
				t.Helper()
				// Some ticks of the scheduler, whose clock leaves out what interrupts
				// take (rq_clock_task): much, where the CPU is emulated.
				slack := 20*time.Millisecond + hi/10
				if d < lo-slack || d > hi+slack+tt.early(lasted) {
					t.Errorf("%s: dead for %v, want %v to %v", what, d, lo, hi)
				}
			}
			lived := time.Now() // at the latest then it was not yet dead
			k, before, after := look()
			for start := time.Now(); k.PID == 0; k, before, after = look() {
				if lived = before; time.Since(start) > 20*time.Second {
					t.Fatal("no zombie")
				}
				time.Sleep(time.Millisecond)
			}
			lasted = after.Sub(born)
			within("just died", k.Dead, 0, after.Sub(lived))
			time.Sleep(time.Second)
			later, before2, after2 := look()
			within("later", later.Dead, before2.Sub(after), after2.Sub(lived))
			within("in between", later.Dead-k.Dead, before2.Sub(after), after2.Sub(before))
		})
	}
}

// A process of which only the main thread has ended is no zombie.
func TestLeaderEnded(t *testing.T) {
	s := scanner(t)
	pid := zombietest.EndedLeader(t)
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		k := scan(t, s)[pid]
		if k.State == 'Z' {
			if k.Zombie() || k.Threads < 2 || k.Dead < 0 {
				t.Errorf("%+v is taken for a zombie", k)
			}
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("its main thread has not ended")
		}
	}
}

// Without rights the error says so.
func TestNotPermitted(t *testing.T) {
	if os.Getenv("ZOMBENCH_NOBODY") != "" {
		_, err := New()
		if !errors.Is(err, measure.ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_BPF") {
			t.Errorf("got %v", err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become nobody")
	}
	scanner(t) // or it is not supported at all
	asNobody(t, "TestNotPermitted")
}

func asNobody(t *testing.T, test string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^"+test+"$", "-test.v")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "ZOMBENCH_NOBODY=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+test) {
		t.Errorf("%v\n%s", err, out)
	}
}

// From within a pid namespace the pids are those of that.
func TestNamespace(t *testing.T) {
	if os.Getenv("ZOMBENCH_INNER") != "" {
		s := scanner(t)
		if s.Level() == 0 {
			t.Error("the namespace is taken for the initial one")
		}
		child := exec.Command("perl", "-e", "sleep 60")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { child.Process.Kill(); child.Wait() }()
		all := scan(t, s)
		own, sleep := all[os.Getpid()], all[child.Process.Pid]
		if os.Getpid() != 1 || own.PPid != 0 || sleep.PPid != 1 || len(all) != 2 {
			t.Errorf("own %+v, child %+v, of %d", own, sleep, len(all))
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	scanner(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), "ZOMBENCH_INNER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestNamespace") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestStateLetter(t *testing.T) {
	for _, tt := range []struct {
		state uint32
		want  byte
	}{
		{0, 'R'}, {1, 'S'}, {2, 'D'}, {4, 'T'}, {8, 't'}, {0x402, 'I'}, {0x8000, 'D'},
		{0x20, 'Z'}, {0xa0, 'Z'}, {0x10, 'X'}, {0x101, 'S'}, {0x40, 'P'},
	} {
		if got := stateLetter(tt.state); got != tt.want {
			t.Errorf("state %#x: %c, want %c", tt.state, got, tt.want)
		}
	}
}

// A cgroup that is removed while a zombie is in it is told.
func TestCgroupRemoved(t *testing.T) {
	s := scanner(t)
	dir := ""
	for _, mount := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		d := fmt.Sprintf("%s/zombench-taskscan-%d", mount, os.Getpid())
		if _, err := os.Stat(mount + "/cgroup.procs"); err == nil && os.Mkdir(d, 0o755) == nil {
			dir = d
			break
		}
	}
	if dir == "" {
		t.Skip("needs a cgroup hierarchy")
	}
	defer os.Remove(dir)
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	inode := st.Ino
	p := zombietest.Start(t, `my $pid = fork; if (!$pid) { <STDIN>; exit } print "$pid\n"; sleep 1 while 1`)
	p.Line(t)
	child := 0
	for _, k := range scan(t, s) {
		if k.PPid == p.PID {
			child = k.PID
		}
	}
	if err := os.WriteFile(dir+"/cgroup.procs", []byte(fmt.Sprint(child)), 0); err != nil {
		t.Fatal(err)
	}
	p.Say(t, "die")
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if k := scan(t, s)[child]; k.Zombie() {
			if k.Removed != "" {
				t.Error("its cgroup is there and is taken for removed")
			}
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("no zombie")
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); scan(t, s)[child].Removed != fmt.Sprint(inode); time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("its cgroup was removed, and it is not told")
		}
	}
}
