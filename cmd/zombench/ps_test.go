package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"zombench/measure"
	"zombench/results/recorded"
)

// village is a machine on which several processes leave zombies.
func village(t *testing.T, change map[string]string) measure.FS {
	t.Helper()
	tasks := []task{
		// A server with threads that handles SIGCHLD, under the user's systemd.
		{pid: 900, ppid: 1, name: "systemd", state: 'S', start: 90, command: "/lib/systemd/systemd --user", cgroup: "/user.slice/user-1000.slice/user@1000.service/init.scope", signals: signals("SigBlk", 2)},
		{pid: 1000, ppid: 900, name: "server", state: 'S', threads: 9, start: 100, command: "/usr/bin/server --port 80", cgroup: "/user.slice/user-1000.slice/user@1000.service/server.service", signals: signals("SigCgt", 2)},
		// A container, its init, and a worker that does nothing about SIGCHLD.
		{pid: 2000, ppid: 1, name: "containerd-shim", state: 'S', start: 100, command: "containerd-shim-runc-v2", cgroup: "/system.slice/containerd.service", signals: signals("SigCgt", 2)},
		{pid: 2001, ppid: 2000, name: "app", state: 'S', start: 101, command: "node app.js", cgroup: "/box", nspid: "2001\t1"},
		{pid: 2002, ppid: 2001, name: "worker", state: 'S', start: 102, command: "worker", cgroup: "/box", nspid: "2002\t7"},
		// Stopped, and a thread group whose main thread alone has ended.
		{pid: 3000, ppid: 400, name: "halted", state: 'T', start: 100, command: "halted", cgroup: "/user.slice/user-1000.slice"},
		{pid: 3100, ppid: 400, name: "half", state: 'Z', threads: 4, start: 100, cgroup: "/user.slice/user-1000.slice"},
		// A name that a terminal would obey, and a parent in a container that came from outside of it.
		{pid: 4000, ppid: 400, name: "evil", state: 'S', start: 100, command: "evil\x1b[31m\nname " + strings.Repeat("x", 90), cgroup: "/a\tb", signals: signals("SigIgn", 2)},
		{pid: 5000, ppid: 400, name: "entered", state: 'S', start: 100, command: "entered", cgroup: "/box", nspid: "5000\t9"},
		// Of the kernel, without a command line.
		{pid: 2, ppid: 0, name: "kthreadd", state: 'S', start: 1, cgroup: "/"},
	}
	zombies := func(from, n, ppid, start int) {
		for i := range n {
			tasks = append(tasks, task{pid: from + i, ppid: ppid, name: "true", state: 'Z', start: start - i})
		}
	}
	zombies(10000, 30, 1000, 99_000_000)
	zombies(11000, 7, 2001, 50_000_000)
	zombies(12000, 7, 2002, 99_999_000)
	zombies(13000, 2, 3000, 10_000)
	zombies(14000, 1, 4000, 100_000_000)
	zombies(15000, 1, 5000, 99_990_000)
	zombies(16000, 3, 0, 99_990_000)
	zombies(17000, 1, 2, 99_990_000)
	zombies(18000, 1, 999_999, 99_990_000) // its parent has just ended
	return machine(t, tasks, change)
}

func askPs(t *testing.T, kernel measure.FS, format string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := ps(&out, &errs, kernel, "", format); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestPsGolden(t *testing.T) {
	testdata, err := filepath.Abs("testdata/ps")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			kernel := village(t, nil)
			resultFile(t, filepath.Join(localResults, "1.2.3-test.txt"), "1.2.3-test", runtime.GOARCH, "exec", 10350, 9600)
			stdout, stderr := askPs(t, kernel, format)
			if stderr != "" {
				t.Error(stderr)
			}
			compareGolden(t, testdata, "village."+format, strings.ReplaceAll(stdout, "1.2.3-test/"+runtime.GOARCH, "1.2.3-test/GOARCH"))
		})
	}
	t.Run("nobody", func(t *testing.T) {
		stdout, _ := askPs(t, machine(t, nil, nil), "text")
		compareGolden(t, testdata, "nobody.text", stdout)
	})
}

func psJSON(t *testing.T, kernel measure.FS) census {
	t.Helper()
	out, _ := askPs(t, kernel, "json")
	var c census
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPsHeirs(t *testing.T) {
	c := psJSON(t, village(t, nil))
	if c.Zombies != 53 || len(c.Parents) != 9 || c.HalfEnded != 1 || c.Zombie.Measured {
		t.Errorf("%+v", c)
	}
	want := map[int]string{ // heir, kind, whether it collects
		1000:    "900 subreaper likely",
		2001:    "", // is the init itself
		2002:    "2001 init unlikely",
		3000:    "1 init likely",
		4000:    "1 init likely",
		5000:    "", // the init of its namespace is none of its ancestors
		2:       "",
		0:       "",
		999_999: "",
	}
	for _, p := range c.Parents {
		got := ""
		if p.Heir != nil {
			got = fmt.Sprint(p.Heir.PID, " ", p.Heir.Kind, " ", p.Heir.Collects)
		}
		if got != want[p.PID] {
			t.Errorf("%d: heir %q, want %q", p.PID, got, want[p.PID])
		}
	}
	// The same init, judged by what it does about SIGCHLD and by its zombies.
	for _, tt := range []struct {
		init task
		want string
	}{
		{task{signals: signals("SigIgn", 2)}, collectsYes},
		{task{signals: signals("SigCgt", 2)}, collectsLikely},
		{task{signals: signals("SigBlk", 2)}, collectsLikely},
		{task{signals: signals("SigCgt", 0)}, collectsUnknown},
	} {
		tt.init.pid, tt.init.name, tt.init.state, tt.init.cgroup = 1, "init", 'S', "/"
		for _, own := range []int{0, 2} {
			tasks := []task{{pid: 600, ppid: 400, name: "p", state: 'S'}, {pid: 601, ppid: 600, name: "z", state: 'Z'}}
			for i := range own {
				tasks = append(tasks, task{pid: 700 + i, ppid: 1, name: "z", state: 'Z'})
			}
			want := tt.want
			if own > 0 && want != collectsYes {
				want = collectsUnlikely
			}
			for _, p := range psJSON(t, machine(t, tasks, tt.init.files())).Parents {
				if p.PID == 600 && (p.Heir == nil || p.Heir.Collects != want) {
					t.Errorf("init with %q and %d zombies: %+v, want %s", tt.init.signals, own, p.Heir, want)
				}
			}
		}
	}
}

// Without the processes of others (hidepid) the answer says so.
func TestPsHidden(t *testing.T) {
	hidden := map[string]string{"proc/1/stat": "absent", "proc/1/status": "absent", "proc/1/cmdline": "absent", "proc/1/comm": "absent", "proc/1/cgroup": "absent"}
	if _, stderr := askPs(t, machine(t, nil, hidden), "text"); !strings.Contains(stderr, "hidepid") {
		t.Errorf("stderr %q", stderr)
	}
	if _, stderr := askPs(t, machine(t, nil, nil), "text"); stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
}

func TestPsFormat(t *testing.T) {
	var out bytes.Buffer
	if err := ps(&out, &out, machine(t, nil, nil), "", "html"); err == nil || exitCode(&out, err) != usageStatus {
		t.Error(err)
	}
}

// The whole of ps on a machine of 30 000 processes, most of them zombies of ten
// parents.
func BenchmarkPs(b *testing.B) {
	const n, parents = 30_000, 10
	var tasks []task
	for i := range parents {
		tasks = append(tasks, task{pid: 500 + i, ppid: 1, name: "p", state: 'S', command: "p"})
	}
	kernel := machine(b, tasks, nil)
	for i := range n - parents {
		z := task{pid: 1000 + i, ppid: 500 + i%parents, name: "true", state: 'Z', start: i}
		stat := fmt.Sprintf("proc/%d/stat", z.pid) // the only file of a zombie that is read
		put(b, ".", map[string]string{stat: z.files()[stat]})
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := takeCensus(kernel, cost{recorded.Cost{Pages: 1}})
		if err != nil || c.Zombies != n-parents || len(c.Parents) != parents {
			b.Fatal(c, err)
		}
	}
}
