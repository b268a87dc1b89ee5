package procs

import (
	"errors"
	"os"
	"testing"
	"time"

	"zombench/measure"
	"zombench/measure/taskscan"
	"zombench/measure/zombietest"
)

func TestMain(m *testing.M) { zombietest.Main(m) }

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
		for name, source := range map[string]Source{"/proc": ByProc(fs), "the iterator": ByIterator(s)} {
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
