package procs

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"zombench/measure"
	"zombench/measure/taskscan"
	"zombench/measure/zombietest"
)

func TestMain(m *testing.M) { zombietest.Main(m) }

// Those who are known to leave zombies are found and named, by the iterator and by
// /proc, and who reaps is not.
func TestLeakers(t *testing.T) {
	sources := map[string]Source{"/proc": ByProc(measure.Host())}
	if s, err := taskscan.New(); err == nil {
		defer s.Close()
		sources["the iterator"] = s.Scan
	} else {
		t.Log(err)
	}
	const some = 10 // zombies
	for _, tt := range []struct {
		name    string
		start   func() int
		leaves  bool
		command string // a part of it
		advice  string // likewise
	}{
		{"a shell that forks twice under an init that does not wait", func() int {
			return zombietest.Start(t, `$0 = "lazy-init"; my $p = fork; defined $p and !$p and exec "sh", "-c", "while :; do ( : & ) ; sleep 0.01; done"; sleep 1 while 1`).PID
		}, true, "lazy-init", "use an init that does"},
		{"a daemon that ignores its children", func() int {
			return zombietest.Start(t, `$0 = "careless-daemon"; $SIG{CHLD} = sub {}; for (1 .. 20) { my $p = fork; $p or exit } sleep 1 while 1`).PID
		}, true, "careless-daemon", "handles SIGCHLD but seems to miss some children"},
		{"a Go program that never calls Wait", func() int { return zombietest.GoLeaker(t) }, true, "zombietest-go", "handles SIGCHLD"},
		{"one that reaps", func() int {
			return zombietest.Start(t, `$0 = "good-reaper"; while (1) { my $p = fork; $p or exit; waitpid $p, 0; select undef, undef, undef, 0.01 }`).PID
		}, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pid := tt.start()
			for by, source := range sources {
				var p Parent
				for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
					r, err := Scan(measure.Host(), source)
					if err != nil {
						t.Fatal(err)
					}
					p = Parent{}
					for _, found := range r.Parents {
						if found.PID == pid {
							p = found
						}
					}
					if p.Zombies >= some && p.Fresh < p.Zombies || !tt.leaves && time.Since(start) > time.Second {
						break
					}
				}
				switch {
				case !tt.leaves && p.Zombies > 1: // one may just have died
					t.Errorf("by %s: %+v", by, p)
				case tt.leaves && (p.Zombies < some || !strings.Contains(p.Command, tt.command) || !strings.Contains(p.Advice, tt.advice)):
					t.Errorf("by %s: %d zombies of %q: %s", by, p.Zombies, p.Command, p.Advice)
				}
			}
		})
	}
}

// The task iterator and /proc give the same answer, beside processes that come
// and go: of parents, and of a process whose main thread alone has ended.
func TestSourcesAgree(t *testing.T) {
	s, err := taskscan.New()
	if errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) && os.Geteuid() != 0 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fs := measure.Host()
	zombietest.Start(t, `while (1) { my $p = fork; $p or exit; waitpid $p, 0 }`) // churn
	want := map[int]int{}
	for _, n := range []int{1, 20, 300} {
		want[zombietest.Army(t, n).PID] = n
	}
	leader := zombietest.EndedLeader(t)
	time.Sleep(200 * time.Millisecond) // for its main thread to end
	for range 5 {
		for name, source := range map[string]Source{"/proc": ByProc(fs), "the iterator": s.Scan} {
			r, err := Scan(fs, source)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, p := range r.Parents {
				n, ok := want[p.PID]
				if !ok {
					continue
				}
				found++
				if p.Zombies != n || p.Command == "" || p.SIGCHLD != measure.Default || p.Oldest == 0 || p.Removed != 0 {
					t.Errorf("by %s: %+v, want %d zombies", name, p, n)
				}
				if known := p.Dead != nil; known != (name != "/proc") {
					t.Errorf("by %s: when the oldest died is known: %v", name, known)
				}
			}
			if found != len(want) {
				t.Errorf("by %s: %d parents of %d", name, found, len(want))
			}
			found = 0
			for _, l := range r.Leaders {
				if l.PID == leader {
					found++
					if l.Threads < 1 || l.States["S"] < 1 || l.Command == "" {
						t.Errorf("by %s: %+v", name, l)
					}
				}
			}
			if found != 1 {
				t.Errorf("by %s: the process without a main thread is found %d times", name, found)
			}
		}
	}
}
