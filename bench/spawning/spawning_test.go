package spawning

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

// set is the experiment with its fields set.
func set(t *testing.T, count, sizes string) bench.Experiment {
	t.Helper()
	return labtest.Set(t, Experiment(), map[string]string{"count": count, "sizes": sizes})
}

// names returns the benchmarks of an experiment.
func names(t *testing.T, e bench.Experiment) (all []string) {
	t.Helper()
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups {
		all = append(all, s.Name())
	}
	return all
}

func TestSetups(t *testing.T) {
	all := names(t, set(t, "100", "50,100,200"))
	want := []string{ // what the comparison raises is not raised once more
		"Spawn/by=zombied-clone/count=100", "Spawn/by=c-fork/count=100", "Spawn/by=zombied-exec/count=100",
		"Spawn/by=zombied-os-exec/count=100", "Spawn/by=stress-ng/count=100",
		"Spawn/by=zombied-clone/count=50", "Spawn/by=zombied-clone/count=200",
	}
	all = slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, "Spawn/by=c-clone/") }) // amd64 and arm64 have it
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	for _, name := range names(t, set(t, "100", "")) {
		if !strings.HasSuffix(name, "/count=100") {
			t.Errorf("without sizes there is %s", name)
		}
	}
	setups, err := set(t, "100", "200").Setups()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups {
		clone, further := strings.HasSuffix(s.Params[0].Value, "-clone"), s.Army.Zombies == 200
		if s.About == "" || (s.Times > 1) != (clone && !further) || s.Army.Optional != further {
			t.Errorf("%s: %+v", s.Name(), s)
		}
		if fds := s.Army.Descriptors; (fds > 0) != (s.Params[0].Value == "zombied-os-exec") {
			t.Errorf("%s asks for %d descriptors", s.Name(), fds)
		}
	}
}

func TestFields(t *testing.T) {
	for name, values := range map[string][]string{"count": {"0", "-1", "x", "5000000"}, "sizes": {"0", "10,10", "10,x"}} {
		for _, value := range values {
			for _, f := range Experiment().Fields {
				if f.Name == name && f.Value.Set(value) == nil {
					t.Errorf("%s %q is accepted", name, value)
				}
			}
		}
	}
}

// Everybody raises and reaps an army, and says how long that took.
func TestSpawn(t *testing.T) {
	labtest.Each(t, set(t, "300", ""), "^Spawn$", func(t *testing.T, r results.Trial) {
		if ns := labtest.Value(t, r, UnitRaise); ns <= 0 {
			t.Errorf("%v ns a zombie", ns)
		}
		if ns, ok := r.Value(UnitReap); ok != (r.Param("by") != "stress-ng") || ok && ns <= 0 {
			t.Errorf("%v ns to reap a zombie, %v", ns, ok)
		}
		if r.N != 300 {
			t.Errorf("%d iterations", r.N)
		}
	})
}

// An army that is too large for any machine: the last pid is nobody's.
var tooMany = strconv.Itoa(bench.MaxZombies)

// What is asked for besides is left out where it does not fit, and said; the
// comparison itself is refused.
func TestSizesThatDoNotFit(t *testing.T) {
	trials, tally, err := labtest.TryTrials(t, t.Context(), set(t, "100", tooMany+",200"), "Spawn/by=zombied-clone", nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(map[string]bool)
	for _, r := range trials {
		ran[r.Param("count")] = true
	}
	if !ran["100"] || !ran["200"] || len(ran) != 2 {
		t.Errorf("armies of %v were raised, want 100 and 200", ran)
	}
	limit, ok := (*limits.Error)(nil), false
	if len(tally.Skipped) == 1 {
		limit, ok = errors.AsType[*limits.Error](tally.Skipped[0].Err)
	}
	if !ok || !strings.Contains(tally.Skipped[0].Name, tooMany) {
		t.Errorf("skipped: %v (%v); want the army of %s, and the limit", tally.Skipped, limit, tooMany)
	}

	trials, _, err = labtest.TryTrials(t, t.Context(), set(t, tooMany, ""), "Spawn/by=zombied-clone", nil)
	if _, ok := errors.AsType[*limits.Error](err); !ok || len(trials) != 0 {
		t.Errorf("%d trials, error %v; want a limit", len(trials), err)
	}
}

// Whoever is timed runs on one CPU, with its children.
func TestEverybodyRunsOnOneCPU(t *testing.T) {
	cpu := cpuOf(t)
	if cpu == 0 {
		t.Skip("needs two CPUs")
	}
	const count = 1000
	e := set(t, strconv.Itoa(count), "")
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]map[string]bool) // by benchmark: lists of CPUs
	for i, s := range setups {
		run, cpus := s.Run, make(map[string]bool)
		seen[s.Name()] = cpus
		setups[i].Times = 1
		setups[i].Run = func(ctx context.Context, site *bench.Site) error {
			done := make(chan error, 1)
			go func() { done <- run(ctx, site) }()
			for {
				select {
				case err := <-done:
					return err
				default:
				}
				living, err := site.Procs()
				if err != nil {
					return errors.Join(err, <-done)
				}
				for _, pid := range living {
					if list, ok := allowed(pid); ok {
						cpus[list] = true
					}
				}
			}
		}
	}
	e.Setups = func() ([]bench.Setup, error) { return setups, nil }
	labtest.Each(t, e, "^Spawn$", func(t *testing.T, r results.Trial) {
		if cpus := seen[r.Name()]; len(cpus) != 1 || !cpus[strconv.Itoa(cpu)] {
			t.Errorf("ran on the CPUs %v, want %d alone", cpus, cpu)
		}
	})
}

// allowed returns the CPUs that a process may run on; false before it is what
// it will be, and when it is no more.
func allowed(pid int) (list string, ok bool) {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	name, _, _ := strings.Cut(string(cmdline), "\x00")
	if err != nil || name == "" || name == pinName || name == os.Args[0] {
		return "", false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", false
	}
	_, list, ok = strings.Cut(string(status), "\nCpus_allowed_list:\t")
	list, _, _ = strings.Cut(list, "\n")
	return list, ok
}

// cpuOf returns a CPU that this process may run on.
func cpuOf(t *testing.T) int {
	t.Helper()
	n, err := lastCPU()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Pinning is the child's own affair: whoever starts it goes on where it likes.
func TestPinnedPinsTheChildOnly(t *testing.T) {
	n := cpuOf(t)
	if n == 0 {
		t.Skip("needs two CPUs")
	}
	on := func(start func(*exec.Cmd) error) string {
		t.Helper()
		out, err := output(t.Context(), start, "grep", "Cpus_allowed_list", "/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(out))
		if len(fields) != 2 {
			t.Fatalf("grep found %q", out)
		}
		return fields[1]
	}
	before := on((*exec.Cmd).Start)
	if got := on(pinned(n, (*exec.Cmd).Start)); got != strconv.Itoa(n) {
		t.Errorf("the child may run on %s, want %d", got, n)
	}
	if after := on((*exec.Cmd).Start); after != before || after == strconv.Itoa(n) {
		t.Errorf("the next one may run on %s, and on %s before", after, before)
	}
}

func TestPinnedToWhatIsNotThere(t *testing.T) {
	if _, err := output(t.Context(), pinned(cpuOf(t), (*exec.Cmd).Start), "zombench-no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v, want that there is no such program", err)
	}
	_, err := output(t.Context(), pinned(1<<20, (*exec.Cmd).Start), "true")
	if err == nil || !strings.Contains(err.Error(), "zombench-pin: to CPU") {
		t.Errorf("a CPU that is not there: %v", err)
	}
	for _, args := range [][]string{nil, {"0"}, {"x", "true", "true"}, {"0", "/nonexistent/program", "program"}} {
		if status := pinProgram().Main(args); status != 126 {
			t.Errorf("%q: status %d", args, status)
		}
	}
}

// The peers in C do what they are for, and refuse what makes no sense.
func TestPeers(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs gcc")
	}
	labtest.Shared(t)
	for _, source := range []string{"fork", "clone"} {
		if _, err := (&program{source: source}).armyBy(t.Context(), (*exec.Cmd).Start, 0); err == nil {
			t.Errorf("%s raises an army of none", source)
		}
	}
	if _, err := compile(t.Context(), "no-such-peer"); err == nil {
		t.Error("a peer that is not there is compiled")
	}
}

// script makes a program of a shell script.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peer")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]timing{
		"echo raise_ns=$1 reap_ns=5":                   {10, 5},
		"echo nothing":                                 {},
		"echo raise_ns=1":                              {},
		"echo raise_ns=1 reap_ns=5; echo and more":     {},
		"echo raise_ns=99999999999999999999 reap_ns=5": {},
		"echo raise_ns=1 reap_ns=5; exit 3":            {},
	} {
		got, err := timing{}, error(nil)
		out, err := output(t.Context(), (*exec.Cmd).Start, script(t, text), "10")
		if err == nil {
			got, err = parseTiming(out)
		}
		if (err == nil) != (want != timing{}) || err == nil && got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	// What a program complained of is told.
	_, err := output(t.Context(), (*exec.Cmd).Start, script(t, "echo out of luck >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "exit status 3: out of luck") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseTiming(f *testing.F) {
	f.Add([]byte("raise_ns=1 reap_ns=5\n"), 10)
	f.Add([]byte("stress-ng: metrc: [9484] zombie 10 7.18 2.20\n"), 10)
	f.Fuzz(func(t *testing.T, out []byte, count int) {
		if timing, err := parseTiming(out); err == nil && (timing.raise < 0 || timing.reap < 0) {
			t.Errorf("%q took %+v", out, timing)
		}
		if timing, err := parseMetrics(out, count); err == nil && !bytes.Contains(out, []byte("zombie")) {
			t.Errorf("%q took %+v", out, timing)
		}
	})
}

// A program ends with its context, and its children do.
func TestProgramsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := output(ctx, func(cmd *exec.Cmd) error {
		err := cmd.Start()
		for children := []int(nil); err == nil && len(children) == 0; {
			children, err = measure.Host().Children(cmd.Process.Pid)
		}
		cancel()
		return err
	}, script(t, "sleep 1000 & wait"))
	if err == nil {
		t.Error("a program outlives its context")
	}
	patience, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if n, err := daemon.CollectOrphans(patience, nil, func() bool { return true }); err != nil || n != 1 {
		t.Errorf("%d orphans were collected, error %v; want its child", n, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := output(ctx, (*exec.Cmd).Start, script(t, "exit 0")); err == nil {
		t.Error("a program is started after its context has ended")
	}
}

func TestStressNGsMetrics(t *testing.T) {
	const line = "stress-ng: metrc: [9484] zombie            10000      7.18      2.20      1.94      1392.45        2414.13        57.68          2684\n"
	if got, err := parseMetrics([]byte(line), 10000); err != nil || got.raise != 7180*time.Millisecond || got.reap != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := parseMetrics([]byte(line), 20000); err == nil {
		t.Errorf("half of an army passes for all of it: %+v", got)
	}
	if got, err := parseMetrics([]byte("stress-ng: info:  [9484] dispatching hogs: 1 zombie"), 1); err == nil {
		t.Errorf("taken for metrics: %+v", got)
	}
}
