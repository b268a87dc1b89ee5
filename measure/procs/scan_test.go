package procs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zombench/measure"
	"zombench/measure/measuretest"
	"zombench/measure/taskscan"
)

func machine(tb testing.TB, tasks []measuretest.Task, change map[string]string) measure.FS {
	tb.Helper()
	measuretest.Machine(tb, tasks, change)
	return measure.FS{Proc: measuretest.Proc, Sys: measuretest.Sys, Root: measuretest.Root}
}

func scanProc(fs measure.FS) (*Result, error) { return Scan(fs, ByProc(fs)) }

func scan(t *testing.T, tasks []measuretest.Task, change map[string]string) *Result {
	t.Helper()
	r, err := scanProc(machine(t, tasks, change))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReapers(t *testing.T) {
	r := scan(t, measuretest.Village(), nil)
	if r.Zombies != 53 || len(r.Parents) != 9 || len(r.Leaders) != 1 || r.Hidden {
		t.Errorf("%+v", r)
	}
	want := map[int]string{ // reaper, kind, whether it reaps
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
	for _, p := range r.Parents {
		got := ""
		if p.Reaper != nil {
			got = fmt.Sprint(p.Reaper.PID, " ", p.Reaper.Kind, " ", p.Reaper.Reaps)
		}
		if got != want[p.PID] {
			t.Errorf("%d: reaper %q, want %q", p.PID, got, want[p.PID])
		}
	}
	// The same init, judged by what it does about SIGCHLD and by its zombies.
	for _, tt := range []struct {
		init measuretest.Task
		want Verdict
	}{
		{measuretest.Task{Signals: measuretest.SIGCHLD("SigIgn", 2)}, Yes},
		{measuretest.Task{Signals: measuretest.SIGCHLD("SigCgt", 2)}, Likely},
		{measuretest.Task{Signals: measuretest.SIGCHLD("SigBlk", 2)}, Likely},
		{measuretest.Task{Signals: measuretest.SIGCHLD("", 0)}, Unknown},
	} {
		tt.init.PID, tt.init.Name, tt.init.State, tt.init.Cgroup = 1, "init", 'S', "/"
		for _, own := range []int{0, 2} {
			tasks := []measuretest.Task{{PID: 600, PPid: 400, Name: "p", State: 'S'}, {PID: 601, PPid: 600, Name: "z", State: 'Z'}}
			for i := range own {
				tasks = append(tasks, measuretest.Task{PID: 700 + i, PPid: 1, Name: "z", State: 'Z'})
			}
			want := tt.want
			if own > 0 && want != Yes {
				want = Unlikely
			}
			for _, p := range scan(t, tasks, tt.init.Files()).Parents {
				if p.PID == 600 && (p.Reaper == nil || p.Reaper.Reaps != want) {
					t.Errorf("init with %q and %d zombies: %+v, want %s", tt.init.Signals, own, p.Reaper, want)
				}
			}
		}
	}
}

// The parent with the most zombies comes first, then the lower pid; what is
// known of each is told, and what cannot be read is not.
func TestScan(t *testing.T) {
	r := scan(t, measuretest.Village(), nil)
	var order []int
	byPID := make(map[int]Parent)
	for _, p := range r.Parents {
		order = append(order, p.PID)
		byPID[p.PID] = p
	}
	if got, want := fmt.Sprint(order), "[1000 2001 2002 0 3000 2 4000 5000 999999]"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	p := byPID[1000]
	if p.Zombies != 30 || p.Oldest != 10029 || p.Age != 10_000*time.Second+290*time.Millisecond || p.State != "S" ||
		p.Command != "/usr/bin/server --port 80" || p.SIGCHLD != measure.Handled {
		t.Errorf("%+v", p)
	}
	for pid, want := range map[int]string{
		0: "outside of this pid namespace", 2: "[kthreadd]", 999_999: "(has ended)",
	} {
		if !strings.Contains(byPID[pid].Command, want) {
			t.Errorf("%d: command %q, want %q", pid, byPID[pid].Command, want)
		}
	}
	for pid, want := range map[int]string{
		0:       "only a process outside",
		1000:    "handles SIGCHLD but seems to miss",
		2001:    "docker run --init",
		2002:    "does nothing about SIGCHLD",
		3000:    "kill -CONT 3000 resumes it; if it ends, pid 1 (systemd) inherits them",
		4000:    "ignores SIGCHLD",
		999_999: "look again",
	} {
		if !strings.Contains(byPID[pid].Advice, want) {
			t.Errorf("%d: advice %q, want %q", pid, byPID[pid].Advice, want)
		}
	}
	if strings.Contains(byPID[2002].Advice, "inherits") {
		t.Errorf("an init that does not reap is recommended: %q", byPID[2002].Advice)
	}
}

func TestScanHidden(t *testing.T) {
	hidden := map[string]string{"proc/1/stat": "absent", "proc/1/status": "absent", "proc/1/cmdline": "absent", "proc/1/cgroup": "absent"}
	if !scan(t, nil, hidden).Hidden {
		t.Error("the init is not there, and nothing is hidden")
	}
}

// A scan of a machine of 30 000 processes, most of them zombies of ten parents.
func BenchmarkScan(b *testing.B) {
	const n, parents = 30_000, 10
	var tasks []measuretest.Task
	for i := range parents {
		tasks = append(tasks, measuretest.Task{PID: 500 + i, PPid: 1, Name: "p", State: 'S', Command: "p"})
	}
	fs := machine(b, tasks, nil)
	for i := range n - parents {
		z := measuretest.Task{PID: 1000 + i, PPid: 500 + i%parents, Name: "true", State: 'Z', Start: i}
		stat := fmt.Sprintf("proc/%d/stat", z.PID) // the only file of a zombie that is read
		measuretest.Put(b, ".", map[string]string{stat: z.Files()[stat]})
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := scanProc(fs)
		if err != nil || r.Zombies != n-parents || len(r.Parents) != parents {
			b.Fatal(r, err)
		}
	}
}

// Zombies that have only just died are no reproach, nor are those of zombied.
func TestAdviceForTheInnocent(t *testing.T) {
	fresh, old := &taskscan.Task{Dead: 100 * time.Millisecond}, &taskscan.Task{Dead: time.Hour}
	var p Parent
	p.add(fresh, time.Hour)
	p.add(fresh, time.Hour)
	if got := p.advice(false); p.Fresh != 2 || !strings.Contains(got, "within the last second") {
		t.Errorf("%d fresh: %s", p.Fresh, got)
	}
	p.add(old, time.Hour)
	if got := p.advice(false); p.Fresh != 2 || !strings.Contains(got, "waitpid") {
		t.Errorf("%d fresh: %s", p.Fresh, got)
	}
	p.Name, p.PID = "zombied", 4711
	if got := p.advice(false); !strings.Contains(got, "kill -USR2 4711") {
		t.Error(got)
	}
}
