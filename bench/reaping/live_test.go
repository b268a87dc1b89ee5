package reaping

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/ends/parent"
	"zombench/bench/janitor"
	"zombench/measure"
	"zombench/results"
)

// The test binary is its own janitor and its own parent program, and what its
// trials leave behind comes to it and not to pid 1.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "janitor":
			os.Exit(janitor.Main(os.Args[2:]))
		case "parent":
			os.Exit(parent.Main(os.Args[2:]))
		}
	}
	if err := daemon.BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	children, err := measure.Host().Children(os.Getpid())
	if err != nil || len(children) > 0 {
		fmt.Fprintf(os.Stderr, "children %v are left after the tests (%v)\n", children, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// openHall opens a hall on this machine, under a lock of the test's own.
func openHall(t *testing.T) Hall {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, namespaces, another user")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build zombied")
	}
	zombied := filepath.Join(t.TempDir(), "zombied")
	if out, err := exec.Command("go", "build", "-o", zombied, "zombench/cmd/zombied").CombinedOutput(); err != nil {
		t.Fatalf("building zombied: %v\n%s", err, out)
	}
	lab, err := bench.Open(t.Context(), bench.Options{
		FS:       measure.Host(),
		Zombied:  zombied,
		LockPath: filepath.Join(t.TempDir(), "lock"),
		Janitor:  []string{"janitor"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if lab.CgroupKind() == "none" {
		t.Skip("needs a cgroup hierarchy with the pids controller")
	}
	return Hall{Lab: lab, Parent: []string{"parent"}}
}

// small is a plan whose every trial is soon over.
var small = Plan{Count: 300, Parallel: 4, Children: 10, Step: 10 * time.Millisecond, Stand: 100 * time.Millisecond, Samples: 1}

// play runs the setup of a name that matches, and skips what the machine
// cannot do.
func play(t *testing.T, h Hall, s Setup) results.Trial {
	t.Helper()
	r, err := h.Trial(t.Context(), s, nil)
	if err != nil {
		if unsupported(err) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	for _, note := range r.Notes {
		t.Log(note)
	}
	t.Log(r.Values)
	if r.Broken != "" {
		t.Fatalf("broken: %s", r.Broken)
	}
	return r
}

// value returns what a trial has measured in a unit.
func value(t *testing.T, r results.Trial, unit string) float64 {
	t.Helper()
	v, ok := r.Value(unit)
	if !ok {
		t.Errorf("no %s among %v", unit, r.Values)
	}
	return v
}

// Every way in which an army can end, for real, and what shows that it would
// not end otherwise.
func TestReap(t *testing.T) {
	h := openHall(t)
	for _, s := range reapSetups(small) {
		t.Run(strings.ReplaceAll(s.String(), "/", ","), func(t *testing.T) {
			r := play(t, h, s)
			if s.Control {
				if left := value(t, r, UnitLeft); left != float64(small.Count) {
					t.Errorf("%v zombies are left, want all %d", left, small.Count)
				}
				return
			}
			switch method := r.Param("method"); method {
			case parent.Ignore, parent.NoCldWait:
				if peak, ok := r.Value(UnitPeak); ok && peak > float64(small.Parallel) {
					t.Errorf("%v zombies stood, at most %d children were alive", peak, small.Parallel)
				}
			default:
				if peak := value(t, r, UnitPeak); peak != float64(small.Count) {
					t.Errorf("%v zombies stood before the end, want %d", peak, small.Count)
				}
				if ns := value(t, r, UnitReapTime); ns <= 0 {
					t.Errorf("%v ns a zombie", ns)
				}
			}
		})
	}
}

// In real time nothing is promised here but the order of the two.
func TestWaitOrder(t *testing.T) {
	h := openHall(t)
	steps := make(map[string]float64)
	for _, s := range orderSetups(small) {
		r := play(t, h, s)
		steps[r.Param("order")] = value(t, r, UnitSteps)
	}
	if !(steps[parent.AnyDead] < steps[parent.Fixed]) {
		t.Errorf("zombie-steps: %v", steps)
	}
}

// An army meets each of its walls, and nobody else does.
func TestExhaust(t *testing.T) {
	h := openHall(t)
	for _, s := range exhaustSetups(small) {
		t.Run(strings.ReplaceAll(s.String(), "/", ","), func(t *testing.T) {
			r := play(t, h, s)
			if s.Control {
				if n := value(t, r, UnitStood); n != 2*float64(small.Count)+100 {
					t.Errorf("%v zombies stand without a limit", n)
				}
				return
			}
			var at []results.Value
			for _, v := range r.Values {
				if strings.HasPrefix(v.Unit, UnitAt) {
					at = append(at, v)
				}
			}
			if len(at) != 1 || at[0].Value < 1 {
				t.Errorf("the wall was met at %v", at)
			}
			if limit := r.Param("limit"); limit != "memory.max" && at[0] != (results.Value{Unit: "zombies-at-EAGAIN", Value: float64(small.Count)}) {
				t.Errorf("%s was met at %v, want EAGAIN at %d", limit, at, small.Count)
			}
			value(t, r, UnitRecovers)
		})
	}
}

// The children of a dead parent, dead and living, come to the nearest subreaper
// or to the init of the namespace, and past an ancestor that is neither.
func TestAdopt(t *testing.T) {
	h := openHall(t)
	const all = 300 + 60
	for _, s := range adoptSetups(small) {
		t.Run(strings.ReplaceAll(s.String(), "/", ","), func(t *testing.T) {
			r := play(t, h, s)
			unit := UnitAdopted
			if s.Control {
				unit = UnitPassed
			}
			if n := value(t, r, unit); n != all {
				t.Errorf("%s: %v, want %d", unit, n, all)
			}
		})
	}
}

func TestStanding(t *testing.T) {
	h := openHall(t)
	for _, s := range standingSetups(small) {
		t.Run(strings.ReplaceAll(s.String(), "/", ","), func(t *testing.T) {
			r := play(t, h, s)
			if r.Param("what") == "pids" {
				if n := value(t, r, UnitAgain); n != float64(small.Count) {
					t.Errorf("%v pids were given out again after the reap, want all %d", n, small.Count)
				}
			}
		})
	}
}
