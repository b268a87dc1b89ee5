package measure

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure/measuretest"
)

// statLine is /proc/PID/stat as far as a scan looks at it.
func statLine(pid int, name string, state byte, ppid, threads int, start uint64) string {
	return fmt.Sprintf("%d (%s) %c %d 1 1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 18446744073709551615 0 0\n",
		pid, name, state, ppid, threads, start)
}

func TestProcesses(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{
		"1/stat":    statLine(1, "init", 'S', 0, 1, 1),
		"291/stat":  string(testdata(t, "amd64-7.3", "zombie", "stat")),
		"7/stat":    statLine(7, "a) Z 99 (b", 'S', 1, 3, 50),
		"8/stat":    statLine(8, "leader", 'Z', 7, 2, 60), // its other threads live
		"9/stat":    statLine(9, "new\\nline", 'Z', 7, 1, 70),
		"10/status": "no stat: it has just ended\n",
		"self/stat": "not looked at\n",
		"stat":      "neither\n",
	})
	got, err := fs.Processes()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Process) int { return a.PID - b.PID })
	want := []Process{
		{1, 0, 'S', 1, 1}, {7, 1, 'S', 3, 50}, {8, 7, 'Z', 2, 60}, {9, 7, 'Z', 1, 70}, {291, 1, 'Z', 1, 415},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var zombies []int
	for _, b := range got {
		if b.Zombie() {
			zombies = append(zombies, b.PID)
		}
	}
	if !slices.Equal(zombies, []int{9, 291}) {
		t.Errorf("zombies %v, want 9 and 291: 8 cannot be reaped while its threads live", zombies)
	}
	if d := want[4].Started(); d != 4150*time.Millisecond {
		t.Errorf("291 started %v after boot, want 4.15s", d)
	}

	measuretest.Put(t, fs.Proc, map[string]string{"11/stat": "11 (x) Z 1\n"})
	if _, err := fs.Processes(); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
	if _, err := (FS{Proc: filepath.Join(fs.Proc, "none")}).Processes(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

// A scan finds our own child alive, then as a zombie, then no more; and what a
// reading of that one process says.
func TestProcessesLive(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	find := func() (Process, bool) {
		t.Helper()
		all, err := Host().Processes()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(b Process) bool { return b.PID == pid })
		if i < 0 {
			return Process{}, false
		}
		return all[i], true
	}
	if b, ok := find(); !ok || b.Zombie() || b.PPid != os.Getpid() {
		t.Errorf("alive: %+v, %v", b, ok)
	}
	_ = stdin.Close()
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	b, ok := find()
	p, err := Host().Process(pid)
	if err != nil || !ok || !b.Zombie() || b.PPid != os.Getpid() || b.StartTicks != p.StartTicks || b.Threads != p.Threads {
		t.Errorf("dead: %+v, %v; %+v, %v", b, ok, p, err)
	}
	up, err := Host().Uptime()
	if age := up - b.Started(); err != nil || age < -time.Second/10 || age > time.Hour {
		t.Errorf("it started %v ago (%v)", age, err)
	}
	_ = cmd.Wait()
	if b, ok := find(); ok {
		t.Errorf("reaped: %+v", b)
	}
}

func FuzzParseProcess(f *testing.F) {
	f.Add(statLine(9, "x) (", 'Z', 7, 1, 70))
	f.Add("1 (x) Z")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := parseProcess([]byte(text)); err != nil && (!errors.Is(err, ErrMalformed) || b != Process{}) {
			t.Fatal(b, err)
		}
		if _, err := parseStatus([]byte(text)); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}

// procTree makes a proc root of n processes in files, all of them zombies of a
// few parents.
func procTree(tb testing.TB, n int) FS {
	tb.Helper()
	fs := FS{Proc: tb.TempDir()}
	for i := range n {
		pid := 1000 + i
		dir := filepath.Join(fs.Proc, strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			tb.Fatal(err)
		}
		text := statLine(pid, "true", 'Z', 1+i%10, 1, uint64(i))
		if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return fs
}

// One pass over 30 000 processes.
func BenchmarkProcesses(b *testing.B) {
	const n = 30_000
	fs := procTree(b, n)
	b.ReportAllocs()
	for b.Loop() {
		all, err := fs.Processes()
		if err != nil || len(all) != n {
			b.Fatal(len(all), err)
		}
	}
}
