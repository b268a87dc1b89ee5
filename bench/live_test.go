package bench_test

import (
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
	"zombench/bench/wait"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A run is what one trial of a toy does.
type run func(context.Context, *bench.Site) error

// toy makes an experiment of setups.
func toy(name string, setups ...bench.Setup) bench.Experiment {
	return bench.Experiment{
		Name: name, Asks: "does the runner work?", Samples: 2,
		Units:  []results.Unit{{Name: "toys", Meta: "better=higher", Meaning: "toys that were played with"}},
		Setups: func() ([]bench.Setup, error) { return setups, nil },
	}
}

// put is a trial that puts a value.
func put(value float64) run {
	return func(_ context.Context, s *bench.Site) error {
		s.Put("toys", value)
		return nil
	}
}

// setup makes a setup of a bench's name.
func setup(name string, f run) bench.Setup { return bench.Setup{Bench: name, Run: f} }

// program returns the path of a program, and skips the test without it.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	return path
}

func names(trials []results.Trial) (names []string) {
	for _, t := range trials {
		names = append(names, t.Name())
	}
	return names
}

func count(names []string, name string) (n int) {
	for _, s := range names {
		if s == name {
			n++
		}
	}
	return n
}

// Two experiments run in one schedule, each setup in each of its rounds, and
// their file begins with what they are.
func TestRunnerOfTwoExperiments(t *testing.T) {
	dice := setup("Dice", put(6))
	dice.Params, dice.About, dice.Times = []results.Param{{Key: "eyes", Value: "6"}}, "rolling dice", 2
	rest := bench.Setup{Bench: "Rest", Control: true, Run: put(0), Group: "dolls"}
	doll := bench.Setup{Bench: "Doll", Run: put(1), Group: "dolls"}
	late := bench.Setup{Bench: "Late", Run: put(9), Last: true}
	first, second := toy("first", dice, late), toy("second", rest, doll)
	second.Units = append(second.Units, results.Unit{Name: "dolls", Meaning: "of all kinds"})
	second.Samples = 3

	r, rec := labtest.Runner(t, first, second)
	r.Samples, r.Seed, r.Version = 0, 42, "1.2.3"
	r.Config, r.Comments = []results.Param{{Key: "vm", Value: "toy"}}, []string{"a comment"}
	tally, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (bench.Tally{Planned: 12, Good: 12}); !cmp.Equal(tally, want) || tally.Done() != 12 {
		t.Errorf("tally %+v, want %+v", tally, want)
	}
	got := names(rec.Trials)
	if !slices.Equal(got, rec.Begun) {
		t.Errorf("begun were %q, and recorded %q", rec.Begun, got)
	}
	for round, want := range [][]string{
		{"Dice/eyes=6", "Dice/eyes=6", "Doll", "Rest"},
		{"Dice/eyes=6", "Dice/eyes=6", "Doll", "Rest"},
		{"Doll", "Rest"}, // the first experiment has two samples
		{"Late", "Late"},
	} {
		n := len(want)
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(got[:n]))); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
		got = got[n:]
	}
	for _, trial := range rec.Trials {
		if v, ok := trial.Value("toys"); !ok || trial.Control != (trial.Bench == "Rest") || (v == 0) != trial.Control || trial.N != 1 {
			t.Errorf("recorded %+v", trial)
		}
	}

	h := rec.Header
	for i, trial := range rec.Trials {
		if want := (results.Serial{Run: h.Run.ID, Number: uint64(i) + 1}); trial.Serial != want || h.Run.ID == "" || h.Run.Trials != 12 {
			t.Errorf("trial %d is %+v of %+v", i+1, trial.Serial, h.Run)
		}
	}
	machine, err := measure.Host().Machine()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"kernel": machine.Kernel, "goos": "linux", "page-size": strconv.Itoa(machine.PageSize), "vm": "toy"} {
		if got := results.Lookup(h.Config, key); got != want {
			t.Errorf("configuration: %s is %q, want %q", key, got, want)
		}
	}
	comments := strings.Join(h.Comments, "\n")
	for _, want := range []string{"zombench 1.2.3, ", "seed 42, 12 trials, ", "a comment"} {
		if !strings.Contains(comments, want) {
			t.Errorf("comments %q, want one with %q", h.Comments, want)
		}
	}
	if diff := cmp.Diff([]results.Explanation{{Name: "Dice/eyes=6", Text: "rolling dice"}}, h.About); diff != "" {
		t.Errorf("about (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(second.Units, h.Units); diff != "" {
		t.Errorf("units, each once (-want +got):\n%s", diff)
	}
}

// The order is the seed's alone.
func TestRunnersOrder(t *testing.T) {
	var setups []bench.Setup
	for i := range 6 {
		setups = append(setups, setup("Toy"+strconv.Itoa(i), put(1)))
	}
	order := func(seed uint64) []string {
		r, rec := labtest.Runner(t, toy("toys", setups...))
		r.Seed = seed
		if _, err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return rec.Begun
	}
	if a, b := order(1), order(1); !slices.Equal(a, b) {
		t.Errorf("one seed, and the orders %q and %q", a, b)
	}
	if a, b := order(1), order(2); slices.Equal(a, b) {
		t.Errorf("two seeds, and one order %q", a)
	}
}

// What cannot be asked for is refused before anything is touched.
func TestRunnerValidates(t *testing.T) {
	wrong := toy("wrong")
	wrong.Setups = func() ([]bench.Setup, error) { return nil, bench.FieldErrorf("count", "0 is none") }
	for _, tt := range []struct {
		name       string
		experiment bench.Experiment
		match      string
		is         func(error) bool
	}{
		{"field", wrong, "", func(err error) bool {
			field, ok := errors.AsType[*bench.FieldError](err)
			return ok && field.Field == "count" && err.Error() == "wrong: count: 0 is none"
		}},
		{"pattern", toy("toys", setup("Toy", put(1))), "Nobody", func(err error) bool { return errors.Is(err, bench.ErrNothingMatches) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock := filepath.Join(t.TempDir(), "lock")
			r := bench.Runner{Experiments: []bench.Experiment{tt.experiment}, Match: tt.match, Options: bench.Options{FS: measure.Host(), LockPath: lock}}
			if err := r.Validate(); !tt.is(err) {
				t.Errorf("Validate: %v", err)
			}
			if _, err := r.Run(t.Context()); !tt.is(err) {
				t.Errorf("Run: %v", err)
			}
			if _, err := os.Stat(lock); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the lock was taken (%v)", err)
			}
		})
	}
}

// need is one that is not met.
func need(kind error) bench.Need {
	return bench.Need{Name: "a unicorn", Check: func(*bench.Host) error { return fmt.Errorf("no unicorn here: %w", kind) }}
}

// What this machine lacks is skipped with a reason, and the rest is run; a
// control is skipped with what it controls.
func TestRunnerSkips(t *testing.T) {
	never := func(context.Context, *bench.Site) error { t.Error("a setup was run that lacks something"); return nil }
	lacking := bench.Setup{Bench: "Unicorn", Group: "unicorns", Needs: []bench.Need{need(measure.ErrNotSupported)}, Run: never}
	idle := bench.Setup{Bench: "NoUnicorn", Group: "unicorns", Control: true, Run: never}
	tries := 0
	atWork := setup("AtWork", func(context.Context, *bench.Site) error {
		if tries++; tries > 1 {
			return fmt.Errorf("found out while at it: %w", measure.ErrNotPermitted)
		}
		return fmt.Errorf("found out while at it: %w", measure.ErrNotSupported)
	})
	forbidden := setup("Forbidden", func(context.Context, *bench.Site) error { return fmt.Errorf("no: %w", measure.ErrNotPermitted) })
	program := bench.Setup{Bench: "Program", Needs: []bench.Need{bench.NeedRoot, bench.NeedCgroup, bench.NeedProgram("zombench-no-such-program", "write it")}, Run: never}
	huge := bench.Setup{Bench: "Huge", Army: bench.Army{Zombies: bench.MaxZombies * 1000, Optional: true}, Run: never}

	r, rec := labtest.Runner(t, toy("toys", lacking, idle, atWork, forbidden, program, huge, setup("Fine", put(1))))
	r.Samples = 3
	tally, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := names(rec.Trials); !slices.Equal(got, []string{"Fine", "Fine", "Fine"}) || tries != 1 {
		t.Errorf("recorded %q, tried %d times; want the fine ones, and one try", got, tries)
	}
	if tally.Planned != 3 || tally.Good != 3 || tally.Done() != 3 {
		t.Errorf("tally %+v, want 3 planned and done", tally)
	}
	reasons := make(map[string]error)
	for _, skip := range tally.Skipped {
		reasons[skip.Name] = skip.Err
	}
	if len(tally.Skipped) != 5 || !errors.Is(reasons["Unicorn"], measure.ErrNotSupported) || !errors.Is(reasons["AtWork"], measure.ErrNotSupported) ||
		!errors.Is(reasons["Forbidden"], measure.ErrNotPermitted) || fmt.Sprint(reasons["Program"]) != "zombench-no-such-program is not on PATH; write it" {
		t.Errorf("skipped %+v", tally.Skipped)
	}
	if _, ok := errors.AsType[*limits.Error](reasons["Huge"]); !ok {
		t.Errorf("the army that does not fit was skipped for %v, want a limit", reasons["Huge"])
	}
	for name, why := range reasons {
		if want := fmt.Sprintf("%s is skipped: %v", name, why); !slices.Contains(rec.Notices, want) {
			t.Errorf("notices %q, want %q", rec.Notices, want)
		}
	}
}

// Where nothing is left to run, or an army does not fit that was asked for, the
// run is an error that says why.
func TestRunnerCannot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup bench.Setup
		is    func(error) bool
	}{
		{"lacking", bench.Setup{Bench: "Unicorn", Needs: []bench.Need{need(measure.ErrNotPermitted)}},
			func(err error) bool {
				return errors.Is(err, measure.ErrNotPermitted) && strings.Contains(err.Error(), "Unicorn: no unicorn here")
			}},
		{"too big", bench.Setup{Bench: "Huge", Army: bench.Army{Zombies: bench.MaxZombies * 1000}},
			func(err error) bool {
				_, ok := errors.AsType[*limits.Error](err)
				return ok && strings.Contains(err.Error(), "an army of 4194304000 does not fit")
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, rec := labtest.Runner(t, toy("toys", tt.setup, bench.Setup{Bench: "Rest", Control: true}))
			tally, err := r.Run(t.Context())
			if !tt.is(err) {
				t.Errorf("error %v", err)
			}
			if len(rec.Begun) > 0 || tally.Done() > 0 {
				t.Errorf("%q were begun", rec.Begun)
			}
		})
	}
}

// A control can be asked for alone.
func TestControlsAlone(t *testing.T) {
	r, rec := labtest.Runner(t, toy("toys", bench.Setup{Bench: "Toy", Group: "g", Run: put(1)}, bench.Setup{Bench: "Rest", Group: "g", Control: true, Run: put(0)}))
	r.Match = "Rest"
	if _, err := r.Run(t.Context()); err != nil || !slices.Equal(names(rec.Trials), []string{"Rest"}) {
		t.Errorf("recorded %q, error %v", names(rec.Trials), err)
	}
}

// A trial that broke is kept with its reason and the run goes on; a fault of what
// was tested is none of the trial's, and a warning flags it.
func TestOutcomes(t *testing.T) {
	ends := program(t, "true") // in zombied's place
	r, rec := labtest.Runner(t, toy("toys",
		setup("Good", put(1)),
		setup("Broken", func(_ context.Context, s *bench.Site) error {
			s.Put("toys", 3)
			return fmt.Errorf("playing: %w", bench.Brokenf("%d wheels came off", 2))
		}),
		setup("Dead", func(ctx context.Context, s *bench.Site) error {
			_, err := s.Zombied(ctx, daemon.Options{Count: 1, Parallel: 1, Spawn: "exec"})
			return err
		}),
		setup("Flagged", func(_ context.Context, s *bench.Site) error {
			s.Put("toys", 2)
			s.Warn("%d scratches", 4)
			s.Note("a toy")
			return nil
		}),
		setup("Faulty", func(_ context.Context, s *bench.Site) error {
			s.Put("toys", 1)
			s.Fault("it squeaks")
			return nil
		}),
		setup("InVain", func(ctx context.Context, s *bench.Site) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			return s.Await(ctx, "for Godot", time.Millisecond, func() (bool, error) { return false, nil })
		}),
	))
	r.Options.Zombied = ends
	tally, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tally.Planned != 6 || tally.Good != 2 || tally.Flagged != 1 || tally.Broken != 3 {
		t.Errorf("tally %+v", tally)
	}
	if diff := cmp.Diff([]bench.Fault{{Name: "Faulty", What: "it squeaks"}}, tally.Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	type outcome struct {
		Broken          string
		Warnings, Notes []string
		Values          int
	}
	got := make(map[string]outcome)
	for _, trial := range rec.Trials {
		got[trial.Name()] = outcome{trial.Broken, trial.Warnings, trial.Notes, len(trial.Values)}
	}
	want := map[string]outcome{
		"Good":    {Values: 1},
		"Broken":  {Broken: "2 wheels came off", Values: 1},
		"Dead":    {Broken: "zombied ended (exit status 0) and logged nothing"},
		"Flagged": {Warnings: []string{"4 scratches"}, Notes: []string{"a toy"}, Values: 1},
		"Faulty":  {Notes: []string{"fault: it squeaks"}, Values: 1},
		"InVain":  {Broken: "waited in vain: for Godot: context deadline exceeded"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Any other error ends the run, and what was recorded stays.
func TestErrorsEndTheRun(t *testing.T) {
	fell := errors.New("the ceiling fell")
	n := 0
	r, rec := labtest.Runner(t, toy("toys", setup("Toy", func(_ context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		if n++; n == 3 {
			return fell
		}
		return nil
	})))
	r.Samples = 5
	tally, err := r.Run(t.Context())
	if !errors.Is(err, fell) || !strings.HasPrefix(err.Error(), "trial 3 of 5 (Toy): ") {
		t.Errorf("error %v", err)
	}
	if len(rec.Trials) != 2 || tally.Good != 2 || tally.Planned != 5 {
		t.Errorf("recorded %d, tally %+v; want 2 of 5", len(rec.Trials), tally)
	}
}

// A full disk, for instance: what is not recorded is not done.
func TestRecordingFails(t *testing.T) {
	r, rec := labtest.Runner(t, toy("toys", setup("Toy", put(1))))
	full := errors.New("no space")
	r.Output = failing{rec, full}
	tally, err := r.Run(t.Context())
	if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "recording trial 1 of 1: ") {
		t.Errorf("error %v", err)
	}
	if tally.Done() != 0 {
		t.Errorf("%d trials are said to be done", tally.Done())
	}
}

type failing struct {
	bench.Recorder
	err error
}

func (f failing) WriteTrial(results.Trial) error { return f.err }

// An interrupted trial is given up, whatever it makes of that, and what was
// recorded before stays.
func TestInterruption(t *testing.T) {
	stop := errors.New("enough")
	for name, atWork := range map[string]run{
		"heeds it": func(ctx context.Context, s *bench.Site) error { return wait.Sleep(ctx, time.Minute) },
		"waits": func(ctx context.Context, s *bench.Site) error {
			return s.Await(ctx, "for Godot", time.Minute, func() (bool, error) { return false, nil })
		},
		"takes it for a broken trial": func(ctx context.Context, s *bench.Site) error {
			<-ctx.Done()
			return bench.Brokenf("it stopped")
		},
		"takes it for something that is lacking": func(ctx context.Context, s *bench.Site) error {
			<-ctx.Done()
			return measure.ErrNotSupported
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			n, cleaned := 0, false
			r, rec := labtest.Runner(t, toy("toys", setup("Toy", func(ctx context.Context, s *bench.Site) error {
				s.Put("toys", 1)
				if n++; n < 3 {
					return nil
				}
				s.Cleanup(func(ctx context.Context) error { cleaned = true; return ctx.Err() })
				time.AfterFunc(time.Millisecond, func() { cancel(stop) })
				return atWork(ctx, s)
			})))
			r.Samples = 5
			tally, err := r.Run(ctx)
			if !errors.Is(err, stop) {
				t.Errorf("error %v, want %v", err, stop)
			}
			if len(rec.Trials) != 2 || tally.Good != 2 || tally.Done() != 2 || len(tally.Skipped) != 0 {
				t.Errorf("recorded %v, tally %+v; want two good ones", rec.Trials, tally)
			}
			if !cleaned {
				t.Error("the trial was not cleaned up")
			}
		})
	}
	// A trial that ends well although it was interrupted counts, and is the last.
	ctx, cancel := context.WithCancelCause(t.Context())
	r, rec := labtest.Runner(t, toy("toys", setup("Toy", func(_ context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		cancel(stop)
		return nil
	})))
	r.Samples = 5
	if tally, err := r.Run(ctx); !errors.Is(err, stop) || len(rec.Trials) != 1 || tally.Good != 1 {
		t.Errorf("recorded %v, tally %+v, error %v; want one and %v", rec.Trials, tally, err, stop)
	}
}

// Whatever a trial starts and leaves is cleared up, the last first, before its
// cgroup goes: Runner's record checks what is left.
func TestSites(t *testing.T) {
	sh, sleep := program(t, "sh"), program(t, "sleep")
	var order []string
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	r, _ := labtest.Runner(t, toy("toys", setup("Site", func(ctx context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		sleeper := exec.Command(sleep, "1000")
		if err := s.Start(sleeper); err != nil {
			return err
		}
		for _, name := range []string{"first", "second"} {
			s.Cleanup(func(context.Context) error {
				if tasks, err := s.Tasks(); err != nil || tasks == 0 {
					t.Errorf("%s cleanup: %d tasks in the cgroup (%v)", name, tasks, err)
				}
				order = append(order, name)
				return nil
			})
		}
		s.Cleanup(func(context.Context) error { // before both
			order = append(order, "kill")
			return errors.Join(sleeper.Process.Kill(), write.Close())
		})
		defer func() { go sleeper.Wait() }()
		if living, err := s.Procs(); err != nil || !slices.Equal(living, []int{sleeper.Process.Pid}) {
			t.Errorf("in the cgroup live %v (%v), want %d", living, err, sleeper.Process.Pid)
		}
		// A shell that leaves five children, who live until the pipe ends.
		parent := exec.Command(sh, "-c", "for i in 1 2 3 4 5; do (read x <&3) & done")
		parent.ExtraFiles = []*os.File{read}
		if err := s.Start(parent); err != nil {
			return err
		}
		return s.Await(ctx, "for orphans", time.Millisecond, func() (bool, error) {
			tasks, err := s.Tasks()
			return tasks == 1+1+5, err // the shell is a zombie: nobody has waited for it
		})
	})))
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"kill", "second", "first"}; !slices.Equal(order, want) {
		t.Errorf("cleaned up in the order %q, want %q", order, want)
	}
}

// An error of a cleanup spoils the trials that follow.
func TestCleanupFails(t *testing.T) {
	stuck := errors.New("stuck")
	r, rec := labtest.Runner(t, toy("toys", setup("Toy", func(_ context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		s.Cleanup(func(context.Context) error { return stuck })
		return nil
	})))
	if _, err := r.Run(t.Context()); !errors.Is(err, stuck) || len(rec.Trials) != 0 {
		t.Errorf("recorded %v, error %v", rec.Trials, err)
	}
}

// Orphans are collected as many as are asked for, and the rest with the trial.
func TestCollectSome(t *testing.T) {
	shell := program(t, "sh")
	r, _ := labtest.Runner(t, toy("toys", setup("Orphans", func(ctx context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		sh := exec.Command(shell, "-c", "for i in 1 2 3 4 5; do (read x <&3) & done")
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		defer read.Close()
		sh.ExtraFiles = []*os.File{read}
		err = s.Start(sh)
		if err == nil {
			err = sh.Wait() // before its children end: it might wait for some of them
		}
		if err := errors.Join(err, write.Close()); err != nil {
			return err
		}
		if err := s.Await(ctx, "for the last to end", time.Millisecond, func() (bool, error) {
			living, err := s.Procs()
			return len(living) == 0, err
		}); err != nil {
			return err
		}
		for _, ask := range []struct{ n, want int }{{0, 0}, {2, 2}, {100, 3}, {100, 0}} {
			if n, err := s.CollectSome(ask.n); err != nil || n != ask.want {
				t.Errorf("%d of %d collected (%v), want %d", n, ask.n, err, ask.want)
			}
		}
		left, err := s.Tasks()
		if left != 0 {
			t.Errorf("%d are left", left)
		}
		return err
	})))
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Trials read the cgroup, and the whole system only if they ask for it; each slab
// cache is described once, before the first trial that mentions it.
func TestReadingsOfATrial(t *testing.T) {
	raise := func(system bool) run {
		return func(ctx context.Context, s *bench.Site) error {
			if system {
				s.ReadSystem()
			}
			d, err := s.Zombied(ctx, daemon.Options{Count: 200, Parallel: 1, Spawn: "clone"})
			if err != nil {
				return err
			}
			before, err := s.Settle(ctx, "before", nil)
			if err != nil {
				return err
			}
			raised, err := s.Raise(ctx, d)
			if err == nil {
				err = bench.Complete(raised, 200)
			}
			if err != nil {
				return err
			}
			if _, err := s.Settle(ctx, "after", nil); err != nil {
				return err
			}
			if _, err := s.Reap(ctx, d); err != nil {
				return err
			}
			back, err := s.SettleBack(ctx, "reaped", before)
			if why := s.Lab.Returned(before, back); err == nil && why != "" {
				err = bench.Brokenf("%s", why)
			}
			s.Put("toys", 1)
			return err
		}
	}
	army := bench.Army{Zombies: 200, Tasks: 1}
	r, rec := labtest.Runner(t, toy("toys",
		bench.Setup{Bench: "System", Army: army, Run: raise(true)}, bench.Setup{Bench: "Cgroup", Army: army, Run: raise(false)}))
	r.Samples = 2
	events := &eventLog{Record: rec}
	r.Output = events
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	described := make(map[string]int)
	for i, e := range events.all {
		if cache, ok := strings.CutPrefix(e, "cache "); ok {
			described[cache]++
			if i+1 == len(events.all) {
				t.Errorf("cache %s is described behind all trials", cache)
			}
		}
	}
	for _, trial := range rec.Trials {
		if trial.Broken != "" || trial.N != 200 {
			t.Errorf("%s: N %d, broken: %q", trial.Name(), trial.N, trial.Broken)
		}
		var when []string
		for _, reading := range trial.Readings {
			when = append(when, reading.When)
			_, hasPids := reading.Counter("pids")
			_, hasSlab := reading.Counter("slab-B")
			if !hasPids || hasSlab != (trial.Bench == "System") {
				t.Errorf("%s, %s: %+v", trial.Name(), reading.When, reading.Counters)
			}
			if trial.Bench == "Cgroup" && len(reading.Caches) > 0 {
				t.Errorf("%s: slab caches %+v", trial.Name(), reading.Caches)
			}
			for _, c := range reading.Caches {
				if described[c.Name] != 1 {
					t.Errorf("%s is described %d times", c.Name, described[c.Name])
				}
			}
		}
		if want := []string{"before", "after", "reaped"}; !slices.Equal(when, want) {
			t.Errorf("%s: readings %q, want %q", trial.Name(), when, want)
		}
		if trial.Bench == "Cgroup" {
			continue
		}
		before, _ := trial.Reading("before")
		after, _ := trial.Reading("after")
		was, ok1 := before.Cache(bench.TaskStruct)
		is, ok2 := after.Cache(bench.TaskStruct)
		if !ok1 || !ok2 || is.Objects < was.Objects+100 {
			t.Errorf("of an army of 200: %s went from %+v to %+v", bench.TaskStruct, was, is)
		}
	}
	if described[bench.TaskStruct] != 1 {
		t.Errorf("%s is described %d times", bench.TaskStruct, described[bench.TaskStruct])
	}
	first := slices.Index(events.all, "trial System")
	if i := slices.Index(events.all, "cache "+bench.TaskStruct); i > first {
		t.Errorf("%q: %s is described behind the trial that mentions it", events.all, bench.TaskStruct)
	}
}

// An eventLog notes in which order a recorder is told what.
type eventLog struct {
	*labtest.Record
	all []string
}

func (l *eventLog) Describe(c results.Cache) {
	l.all = append(l.all, "cache "+c.Name)
	l.Record.Describe(c)
}

func (l *eventLog) WriteTrial(t results.Trial) error {
	l.all = append(l.all, "trial "+t.Name())
	return l.Record.WriteTrial(t)
}

// Where instructions are emulated, times mean nothing: they are not recorded, nor
// explained, and what measures nothing else is skipped.
func TestEmulation(t *testing.T) {
	both := setup("Both", func(_ context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		s.Put("ns/toy", 2)
		return nil
	})
	clock := setup("Clock", func(_ context.Context, s *bench.Site) error { s.Put("ns/toy", 3); return nil })
	e := toy("toys", both, clock)
	e.Units = append(e.Units, results.Unit{Name: "ns/toy", Meaning: "time for a toy"})
	for _, emulated := range []bool{false, true} {
		r, rec := labtest.Runner(t, e)
		r.Options.Emulated = emulated
		tally, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		explained := slices.ContainsFunc(rec.Header.Units, func(u results.Unit) bool { return u.Name == "ns/toy" })
		if explained == emulated {
			t.Errorf("emulated %v: units %+v", emulated, rec.Header.Units)
		}
		for _, trial := range rec.Trials {
			if _, timed := trial.Value("ns/toy"); timed == emulated {
				t.Errorf("emulated %v: %+v", emulated, trial)
			}
		}
		skipped := len(tally.Skipped) == 1 && tally.Skipped[0].Name == "Clock"
		if skipped != emulated || count(names(rec.Trials), "Both") != 1 {
			t.Errorf("emulated %v: recorded %q, skipped %v", emulated, names(rec.Trials), tally.Skipped)
		}
	}
}

// Limits are raised for as long as the run takes, as far as the armies need.
func TestRaiseLimits(t *testing.T) {
	const name = "kernel.pid_max"
	read := func() int {
		text, err := os.ReadFile("/proc/sys/kernel/pid_max")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	within := 0
	army := bench.Setup{Bench: "Army", Run: func(_ context.Context, s *bench.Site) error {
		within = read()
		s.Put("toys", 1)
		return nil
	}}
	r, rec := labtest.Runner(t, toy("toys", army))
	before := read()
	army.Army.Zombies = before
	if memory, err := measure.Host().Meminfo(); err != nil || before > 49_000 || memory.MemAvailable < uint64(before)<<15 {
		t.Skipf("an army of %s = %d takes too much memory to try", name, before)
	}
	r.Experiments = []bench.Experiment{toy("toys", army)}
	if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("with limits as they are: %v, want an error that names %s", err, name)
	}
	r.RaiseLimits = true
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if within <= before || read() != before {
		t.Errorf("%s was %d, %d during the run and %d after it", name, before, within, read())
	}
	told := slices.ContainsFunc(rec.Notices, func(s string) bool {
		return strings.HasPrefix(s, fmt.Sprintf("raised %s from %d to %d ", name, before, within))
	})
	if !told || !strings.Contains(strings.Join(rec.Header.Comments, "\n"), "raised "+name) {
		t.Errorf("notices %q, comments %q: want that it was raised", rec.Notices, rec.Header.Comments)
	}
}

// While one run has the lock, another waits for it, and says so by its context.
func TestOneRunAtATime(t *testing.T) {
	r, _ := labtest.Runner(t, toy("toys", setup("Toy", func(ctx context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		return nil
	})))
	outer, _ := labtest.Runner(t, toy("toys", setup("Outer", func(ctx context.Context, s *bench.Site) error {
		s.Put("toys", 1)
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := r.Run(ctx); err == nil {
			t.Error("two runs at a time")
		}
		return nil
	})))
	r.Options.LockPath = outer.Options.LockPath
	if _, err := outer.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
