// Package labtest is what tests that raise real zombies share: a TestMain, a
// zombied that is built once, a lock under which one of them at a time has the
// machine, and golden files. It is for tests alone.
package labtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/reexec"
	"zombench/measure"
	"zombench/results"
)

// Main runs the tests of a package as a child subreaper: what their trials leave
// behind comes to the test and not to pid 1, which need not reap, and is an
// error. The test binary is its own janitor, and whatever else programs say.
func Main(m interface{ Run() int }, programs ...reexec.Program) {
	reexec.Dispatch(append(bench.Programs(), programs...)...)
	os.Exit(Run(m))
}

// Run is Main for those that dispatch themselves. It returns the exit status.
func Run(m interface{ Run() int }) int {
	if err := daemon.BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// A program built with the race detector sleeps a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	status := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	if children, err := measure.Host().Children(os.Getpid()); err != nil || len(children) > 0 {
		fmt.Fprintf(os.Stderr, "children %v are left after the tests (%v)\n", children, err)
		return max(status, 1)
	}
	return status
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

// Zombied returns the path of the daemon, which is built once for all tests of
// a package. It skips the test without a go command.
func Zombied(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build zombied")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "zombench-labtest-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, "zombied"), "zombench/cmd/zombied")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("building zombied: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "zombied")
}

// Exclusive gives a test the machine for itself among all that ask for it, in
// whatever package: live armies would disturb each other's readings of the whole
// system.
func Exclusive(t testing.TB) { lock(t, unix.LOCK_EX) }

// Shared is for a test that raises zombies and reads nothing of the whole
// system: it waits for those that do, and they wait for it.
func Shared(t testing.TB) { lock(t, unix.LOCK_SH) }

// held is the lock of all tests as this process has it.
var held struct {
	mu   sync.Mutex
	file *os.File
	by   int // tests and their subtests
}

func lock(t testing.TB, how int) {
	t.Helper()
	held.mu.Lock()
	defer held.mu.Unlock()
	if held.by == 0 {
		f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("zombench-labtest-%d.lock", os.Getuid())), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Flock(int(f.Fd()), how)
		}
		if err != nil {
			t.Fatalf("taking the lock of all tests: %v", err)
		}
		held.file = f
	}
	held.by++
	t.Cleanup(func() {
		held.mu.Lock()
		defer held.mu.Unlock()
		if held.by--; held.by == 0 {
			held.file.Close()
		}
	})
}

// Options are how a test opens a lab: under a lock file of its own, and with
// the machine for itself. It skips the test where there are no fresh cgroups.
func Options(t testing.TB) bench.Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, /proc/slabinfo")
	}
	o := bench.Options{FS: measure.Host(), Zombied: Zombied(t), LockPath: filepath.Join(t.TempDir(), "lock")}
	host, err := bench.Survey(o.FS)
	if err != nil {
		t.Fatal(err)
	}
	kind := host.CgroupKind()
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	if kind == "none" {
		t.Skip("needs a cgroup hierarchy with the pids controller")
	}
	Exclusive(t)
	return o
}

// Trials runs setups of an experiment that match a pattern, once each, and
// returns their records. It skips the test if this machine can run none of them.
func Trials(t testing.TB, e bench.Experiment, pattern string) []results.Trial {
	t.Helper()
	trials, tally, err := TryTrials(t, t.Context(), e, pattern, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) == 0 && len(tally.Skipped) > 0 {
		t.Skipf("%s: %v", tally.Skipped[0].Name, tally.Skipped[0].Err)
	}
	return trials
}

// TryTrials is Trials for runs that may fail; doing is told what each trial is
// at, nil for nobody.
func TryTrials(t testing.TB, ctx context.Context, e bench.Experiment, pattern string, doing func(string)) ([]results.Trial, bench.Tally, error) {
	t.Helper()
	rec := &recorder{doing: doing}
	r := bench.Runner{
		Experiments: []bench.Experiment{e}, Match: pattern, Samples: 1, Options: Options(t),
		Output: rec, Progress: rec, Notice: func(s string) { t.Log(s) },
	}
	tally, err := r.Run(ctx)
	return rec.trials, tally, err
}

// A recorder keeps what it is told.
type recorder struct {
	trials []results.Trial
	doing  func(string)
}

func (r *recorder) WriteHeader(results.Header) error { return nil }
func (r *recorder) Describe(results.Cache)           {}
func (r *recorder) WriteTrial(t results.Trial) error { r.trials = append(r.trials, t); return nil }
func (r *recorder) Begin(int, int, string)           {}
func (r *recorder) End(results.Trial)                {}
func (r *recorder) Close()                           {}
func (r *recorder) Doing(what string) {
	if r.doing != nil {
		r.doing(what)
	}
}

// Set sets fields of an experiment, given by name.
func Set(t testing.TB, e bench.Experiment, fields map[string]string) bench.Experiment {
	t.Helper()
	for name, value := range fields {
		found := false
		for _, f := range e.Fields {
			if f.Name != name {
				continue
			}
			found = true
			if err := f.Value.Set(value); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !found {
			t.Fatalf("%s has no field %s", e.Name, name)
		}
	}
	return e
}

var update = flag.Bool("update", false, "write golden files anew")

// Golden compares what was got with a golden file, or writes it anew with
// -update.
func Golden(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); go test -update accepts it:\n%s", path, diff)
	}
}
