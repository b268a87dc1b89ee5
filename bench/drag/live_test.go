package drag

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/results"
)

// The test binary is its own actor and its own bystanders.
func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

// Every actor acts for real, beside a small army and without one, and leaves the
// machine as it was: the CPUs of our threads, the sysctls, the cgroups.
func TestActors(t *testing.T) {
	for _, a := range actors() {
		t.Run(a.name, func(t *testing.T) {
			e := labtest.Set(t, Experiment(), map[string]string{"count": "300", "rounds": "3"})
			before := state(t)
			trials := labtest.Trials(t, e, Bench+"/actor="+a.name+"$")
			if after := state(t); !maps.Equal(before, after) {
				t.Errorf("before: %v\nafter: %v", before, after)
			}
			sizes := make(map[string]bool)
			for _, r := range trials {
				sizes[r.Param("count")] = r.Control
				check(t, a, r)
			}
			if len(sizes) != 2 || sizes["300"] {
				t.Errorf("%v; want an army of 300 and a control", sizes)
			}
		})
	}
}

// check checks a trial's record.
func check(t *testing.T, a actor, r results.Trial) {
	t.Helper()
	t.Log(r.Name(), r.Values, r.Notes)
	if r.Broken != "" {
		t.Errorf("%s is broken: %s", r.Name(), r.Broken)
		return
	}
	for _, u := range units() {
		if v, ok := r.Value(u.Name); !ok || v < 0 {
			t.Errorf("%s: %s is %v, %v", r.Name(), u.Name, v, ok)
		}
	}
	if v, _ := r.Value(UnitAct); v == 0 {
		t.Errorf("%s: the act took no time", r.Name())
	}
	for _, b := range []string{fork, sleep} {
		stalled, _ := r.Value(b + unitStalled)
		said := slices.ContainsFunc(r.Notes, func(s string) bool { return strings.HasPrefix(s, b+": no stall") })
		if said != (stalled == 0) {
			t.Errorf("%s: %s is %v; notes: %q", r.Name(), b+unitStalled, stalled, r.Notes)
		}
	}
}

// state is what a trial may change and has to put back.
func state(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, name := range []string{"kernel/pid_max", "kernel/threads-max", "kernel/sched_rt_runtime_us"} {
		text, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err == nil {
			all[name] = strings.TrimSpace(string(text))
		}
	}
	tids, err := measure.Host().Tasks(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	masks := make(map[string]bool) // threads come and go; none is to be kept on one CPU
	for _, tid := range tids {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &set); err == nil {
			masks[fmt.Sprint(set)] = true
		}
	}
	all["CPUs"] = strings.Join(slices.Sorted(maps.Keys(masks)), " ")
	groups, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, controller := range []string{"pids", "memory", "freezer"} {
		if h, err := groups.Controller(controller); err == nil {
			all[h.Dir()] = ours(h.Dir())
		}
	}
	if h, err := groups.Unified(); err == nil {
		all[h.Dir()] = ours(h.Dir())
	}
	return all
}

// ours lists the cgroups of this process below a directory.
func ours(dir string) string {
	all, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%s%d-*", cgroup.Prefix, os.Getpid())))
	return strings.Join(all, " ")
}

// A stall is seen if there is one: bystanders that are stopped for a while have a
// turn of that length, and only then.
func TestBystandersSeeAStall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: real-time priority")
	}
	_, cpu, err := twoCPUs()
	if err != nil {
		t.Skip(err)
	}
	b, _, err := startBystanders(t.Context(), cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const length = 200 * time.Millisecond
	pid := b.Pid()
	time.Sleep(20 * time.Millisecond)
	stopped := window{From: now()}
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(length)
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stopped.To = now()
	time.Sleep(20 * time.Millisecond)
	seen, err := b.stop()
	if err != nil {
		t.Fatal(err)
	}
	for name, ticks := range map[string]ticks{fork: seen.fork, sleep: seen.sleep} {
		var longest time.Duration
		if err := ticks.turns(stopped, func(d time.Duration) error { longest = max(longest, d); return nil }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if longest < length*9/10 {
			t.Errorf("%s: the longest turn was %v in a stop of %v", name, longest, length)
		}
		if ticks[len(ticks)-1] < stopped.To {
			t.Errorf("%s did not go on", name)
		}
	}
}

// Bystanders end with whoever started them: their standard input ends.
func TestBystandersEnd(t *testing.T) {
	_, cpu, err := twoCPUs()
	if err != nil {
		t.Skip(err)
	}
	b, _, err := startBystanders(t.Context(), cpu)
	if err != nil {
		t.Fatal(err)
	}
	pid := b.Pid()
	if _, err := b.stop(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("pid %d is still there (%v)", pid, err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}
