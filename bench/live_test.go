package bench_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"zombench/bench"
	"zombench/bench/daemon/pidns"
	"zombench/bench/janitor"
	"zombench/measure"
	"zombench/results"
)

// The test binary is its own janitor, and the init of pid namespaces.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "janitor":
		os.Exit(janitor.Main(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == "pidns-init":
		os.Exit(pidns.Main(os.Stderr, os.Args[2:]))
	}
	os.Exit(m.Run())
}

// buildZombied builds the daemon as a trial on this machine runs it.
func buildZombied(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zombied")
	out, err := exec.Command("go", "build", "-o", path, "zombench/cmd/zombied").CombinedOutput()
	if err != nil {
		t.Fatalf("building zombied: %v\n%s", err, out)
	}
	return path
}

// openLab opens a lab of this machine, under a lock of the test's own.
func openLab(t *testing.T) *bench.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, /proc/slabinfo")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build zombied")
	}
	lab, err := bench.Open(t.Context(), bench.Options{
		FS:       measure.Host(),
		Zombied:  buildZombied(t),
		LockPath: filepath.Join(t.TempDir(), "lock"),
		Janitor:  []string{"janitor"},
		Init:     []string{"pidns-init"},
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
	return lab
}

func TestArmyOnThisKernel(t *testing.T) {
	lab := openLab(t)
	const count = 300
	trial, err := lab.Trial(t.Context(), bench.Setup{Bench: results.Zombies, Count: count, Parallel: 4, Spawn: "exec"})
	if err != nil {
		t.Fatal(err)
	}
	if trial.Broken != "" {
		t.Fatalf("broken: %s", trial.Broken)
	}
	if grown := *trial.After.Pids - *trial.Before.Pids; grown != count {
		t.Errorf("pids.current grew by %d, want %d", grown, count)
	}
	if want := (results.Ends{Known: true, Exited: count}); trial.Ends != want {
		t.Errorf("the children ended as %+v, want %+v", trial.Ends, want)
	}
	if trial.After.Kmem == nil {
		t.Log("no kernel memory accounting here: the charge is not checked")
		return
	}
	// A zombie's task_struct alone has some kilobytes on every 64-bit kernel;
	// the exact figure is the benchmark's to find.
	if charged := float64(*trial.After.Kmem-*trial.Before.Kmem) / count; charged < 4096 || charged > 65536 {
		t.Errorf("%.0f B charged for each zombie", charged)
	}
}

// What the cgroup is charged is what the objects in /proc/slabinfo foretell.
// That file counts the whole system, so a trial in which anything else moved
// proves nothing, and one that agrees is proof enough: no chance makes two
// sources agree to half a percent.
func TestChargeIsTheSumOfTheObjects(t *testing.T) {
	lab := openLab(t)
	const tries, count = 12, 500
	var seen []float64
	for range tries {
		trial, err := lab.Trial(t.Context(), bench.Setup{Bench: results.Zombies, Count: count, Parallel: 1, Spawn: "clone"})
		if err != nil {
			t.Fatal(err)
		}
		if trial.After.Kmem == nil || trial.After.Slab == nil {
			t.Skip("needs the cgroup's kernel memory and /proc/slabinfo")
		}
		charged := float64(*trial.After.Kmem-*trial.Before.Kmem) / count
		foretold, _ := lab.Result(trial).Value(results.UnitPredicted)
		foretold /= 1000
		if trial.Broken == "" && math.Abs(charged/foretold-1) <= 0.005 {
			return
		}
		seen = append(seen, charged/foretold-1)
	}
	t.Errorf("charge and objects differ in each of %d trials, by %.4f of it", tries, seen)
}

func TestControlOnThisKernel(t *testing.T) {
	lab := openLab(t)
	trial, err := lab.Trial(t.Context(), bench.Setup{Bench: results.Control, Parallel: 4, Spawn: "exec"})
	if err != nil {
		t.Fatal(err)
	}
	if trial.Broken != "" {
		t.Fatalf("broken: %s", trial.Broken)
	}
	if trial.After.Kmem != nil {
		drift := math.Abs(float64(*trial.After.Kmem) - float64(*trial.Before.Kmem))
		if most := float64(4096 * lab.Machine.CPUs); drift > most {
			t.Errorf("kernel memory moved by %.0f B without an army, at most %.0f B are explained", drift, most)
		}
	}
}

// An army within a container's container is one like any other, and the inits
// of its namespaces are not counted.
func TestArmyInPidNamespaces(t *testing.T) {
	lab := openLab(t)
	for _, levels := range []int{0, 2} {
		trial, err := lab.Trial(t.Context(), bench.Setup{Bench: results.Zombies, Count: 100, Parallel: 2, Spawn: "clone", PidNS: &levels})
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("pid namespaces are not permitted here: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if trial.Broken != "" {
			t.Fatalf("%d levels: broken: %s", levels, trial.Broken)
		}
		if want := (results.Ends{Known: true, Exited: 100}); trial.Ends != want {
			t.Errorf("%d levels: ends %+v", levels, trial.Ends)
		}
		leftNothing(t, lab)
	}
}

// A trial that is given up leaves nothing: no cgroup, no child of ours.
func TestInterruptedTrialLeavesNothing(t *testing.T) {
	lab := openLab(t)
	for _, at := range []string{"starting zombied", "settling before the army", "raising", "settling with the army", "reaping"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			lab.Doing = func(what string) {
				if what == at {
					cancel()
				}
			}
			_, err := lab.Trial(ctx, bench.Setup{Bench: results.Zombies, Count: 200, Parallel: 4, Spawn: "exec"})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want that the context ended", err)
			}
			leftNothing(t, lab)
		})
	}
}

// leftNothing checks that no child but the janitor and no cgroup remains.
func leftNothing(t *testing.T, lab *bench.Lab) {
	t.Helper()
	children, err := lab.FS.Children(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if len(children) != 1 {
		t.Errorf("children %v remain, want the janitor alone", children)
	}
	for _, dir := range lab.CgroupParents() {
		left, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("zombench-%d-*", os.Getpid())))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			t.Errorf("%s remains", path)
		}
	}
}
