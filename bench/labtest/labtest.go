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
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/cgroup"
	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/bench/vm/guest"
	"zombench/measure"
	"zombench/results"
)

// Main runs the tests of a package as a child subreaper: what their trials leave
// behind comes to the test and not to pid 1, which need not reap, and is an
// error. The test binary is its own janitor, and whatever else programs say.
// In a guest it is also the init.
func Main(m interface{ Run() int }, programs ...reexec.Program) {
	if guest.IsInit() {
		guest.Main()
	}
	reexec.Dispatch(append(bench.Programs(), programs...)...)
	os.Exit(Run(m))
}

// Run is Main for those that dispatch themselves. It returns the exit status.
func Run(m interface{ Run() int }) int {
	status := machine.Run(m)
	if built.dir != "" {
		os.RemoveAll(built.dir)
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
	if inGuest() {
		return "/bin/zombied"
	}
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

// inGuest reports whether the test runs in a guest of package guests, where the
// CPU is emulated as a rule.
func inGuest() bool {
	_, err := os.Stat(guest.ConfigPath)
	return err == nil
}

// Exclusive gives a test the machine for itself among all live tests, of
// whatever package.
func Exclusive(t testing.TB) { t.Helper(); machine.Exclusive(t) }

// Shared is for a test that raises zombies and reads nothing of the whole
// system.
func Shared(t testing.TB) { t.Helper(); machine.Shared(t) }

// Options are how a test opens a lab: under a lock file of its own, and with
// the machine for itself. It skips the test where there are no fresh cgroups.
func Options(t testing.TB) bench.Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, /proc/slabinfo")
	}
	o := bench.Options{FS: measure.Host(), Zombied: Zombied(t), LockPath: filepath.Join(t.TempDir(), "lock"), Emulated: inGuest()}
	if len(cgroupParents(t, o.FS)) == 0 {
		t.Skip("needs a cgroup hierarchy with the pids controller")
	}
	Exclusive(t)
	return o
}

// cgroupParents returns the directories in which a lab makes its cgroups.
func cgroupParents(t testing.TB, fs measure.FS) []string {
	t.Helper()
	host, err := bench.Survey(fs)
	if err != nil {
		t.Fatal(err)
	}
	dirs := host.CgroupParents()
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	return dirs
}

// Trials runs setups of an experiment that match a pattern, once each, and
// returns their records. It skips the test if this machine can run none of them.
func Trials(t testing.TB, e bench.Experiment, pattern string) []results.Trial {
	t.Helper()
	trials, tally, err := TryTrials(t, t.Context(), e, pattern, nil)
	if len(trials) == 0 {
		skip(t, tally.Skipped)
	}
	if err != nil {
		t.Fatal(err)
	}
	return trials
}

// skip skips a test for the first of what cannot run here, if there is any.
func skip(t testing.TB, skipped []bench.Skip) {
	t.Helper()
	if len(skipped) > 0 {
		t.Skipf("%s: %v", skipped[0].Name, skipped[0].Err)
	}
}

// TryTrials is Trials for runs that may fail; doing is told what each trial is
// at, nil for nobody.
func TryTrials(t testing.TB, ctx context.Context, e bench.Experiment, pattern string, doing func(string)) ([]results.Trial, bench.Tally, error) {
	t.Helper()
	r, rec := Runner(t, e)
	r.Match, rec.OnDoing = pattern, doing
	tally, err := r.Run(ctx)
	return rec.Trials, tally, err
}

// Runner returns a runner of one trial of each setup, and the record that it
// makes. The test fails if a process or a cgroup is left when the trials are
// over.
func Runner(t testing.TB, experiments ...bench.Experiment) (*bench.Runner, *Record) {
	t.Helper()
	o := Options(t)
	rec := &Record{t: t, fs: o.FS, parents: cgroupParents(t, o.FS)}
	return &bench.Runner{
		Experiments: experiments, Samples: 1, Options: o, Output: rec, Progress: rec,
		Notice: func(s string) { rec.Notices = append(rec.Notices, s); t.Log(s) },
	}, rec
}

// A Record keeps what a runner says.
type Record struct {
	Header  results.Header
	Caches  []results.Cache
	Trials  []results.Trial
	Begun   []string // the names of the trials that were begun
	Notices []string
	OnDoing func(string) // told what each trial is at; nil for nobody

	t        testing.TB
	fs       measure.FS
	parents  []string // where cgroups are made
	children []int    // before the first trial: the janitor
}

func (r *Record) WriteHeader(h results.Header) error { r.Header = h; return nil }
func (r *Record) Describe(c results.Cache)           { r.Caches = append(r.Caches, c) }
func (r *Record) WriteTrial(t results.Trial) error   { r.Trials = append(r.Trials, t); return nil }
func (r *Record) End(results.Trial)                  {}

func (r *Record) Begin(_, _ int, name string) {
	if len(r.Begun) == 0 {
		r.children = r.living()
	}
	r.Begun = append(r.Begun, name)
}

func (r *Record) Doing(what string) {
	if r.OnDoing != nil {
		r.OnDoing(what)
	}
}

// Close checks what the trials have left, before the lab would clear it up.
func (r *Record) Close() {
	r.t.Helper()
	if left := r.living(); len(r.Begun) > 0 && !slices.Equal(left, r.children) {
		r.t.Errorf("after the trials there are the children %v, and there were %v before", left, r.children)
	}
	for _, dir := range r.parents {
		left, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%s%d-*", cgroup.Prefix, os.Getpid())))
		if err != nil || len(left) > 0 {
			r.t.Errorf("after the trials the cgroups %q are left (%v)", left, err)
		}
	}
}

// living returns the children of this process, zombies among them.
func (r *Record) living() []int {
	r.t.Helper()
	children, err := r.fs.Children(os.Getpid())
	if err != nil {
		r.t.Fatal(err)
	}
	return children
}

// Set sets fields of an experiment, given by name.
func Set(t testing.TB, e bench.Experiment, fields map[string]string) bench.Experiment {
	t.Helper()
	if err := e.Set(fields); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
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
