package bench_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// toy makes an experiment of benchmarks that do nothing but what run says.
func toy(run func(ctx context.Context, s *bench.Site, name string) error, names ...string) bench.Experiment {
	return bench.Experiment{Name: "toy", Samples: 1, Setups: func() (setups []bench.Setup, err error) {
		for _, name := range names {
			setups = append(setups, bench.Setup{Bench: "Toy", Group: "Toy", Params: []results.Param{{Key: "does", Value: name}},
				Run: func(ctx context.Context, s *bench.Site) error { return run(ctx, s, name) }})
		}
		return setups, nil
	}}
}

func TestWhatBecomesOfTrials(t *testing.T) {
	e := toy(func(_ context.Context, s *bench.Site, name string) error {
		s.Put("toys", 1)
		switch name {
		case "warns":
			s.Warn("loud")
		case "breaks":
			return bench.Brokenf("%d of 2", 1)
		case "fails":
			s.Fault("it is no good")
		case "cannot":
			return fmt.Errorf("no such thing: %w", measure.ErrNotSupported)
		case "may-not":
			return fmt.Errorf("no: %w", measure.ErrNotPermitted)
		}
		return nil
	}, "good", "warns", "breaks", "fails", "cannot", "may-not")
	trials, tally, err := labtest.TryTrials(t, t.Context(), e, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Good != 2 || tally.Flagged != 1 || tally.Broken != 1 || tally.Planned != 4 || tally.Done() != 4 {
		t.Errorf("tally %+v", tally)
	}
	if len(tally.Faults) != 1 || tally.Faults[0] != (bench.Fault{Name: "Toy/does=fails", What: "it is no good"}) {
		t.Errorf("faults %+v", tally.Faults)
	}
	var skipped []string
	for _, s := range tally.Skipped {
		skipped = append(skipped, s.Name)
	}
	if slices.Sort(skipped); !slices.Equal(skipped, []string{"Toy/does=cannot", "Toy/does=may-not"}) {
		t.Errorf("skipped %q", skipped)
	}
	for _, r := range trials {
		if got := r.Name() == "Toy/does=breaks"; got != (r.Broken == "1 of 2") {
			t.Errorf("%s: broken %q", r.Name(), r.Broken)
		}
	}
}

// Any other error ends the run; what was recorded before stays.
func TestAnErrorEndsTheRun(t *testing.T) {
	broken := errors.New("the instrument is broken")
	n := 0
	e := toy(func(_ context.Context, s *bench.Site, _ string) error {
		s.Put("toys", 1)
		if n++; n == 3 {
			return broken
		}
		return nil
	}, "a", "b", "c", "d")
	trials, tally, err := labtest.TryTrials(t, t.Context(), e, "", nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "trial 3 of 4 (Toy/does=") {
		t.Errorf("error %v", err)
	}
	if len(trials) != 2 || tally.Done() != 2 {
		t.Errorf("%d trials are recorded, want 2: %+v", len(trials), tally)
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	e := toy(func(ctx context.Context, s *bench.Site, _ string) error {
		s.Put("toys", 1)
		if n++; n == 2 {
			cancel()
			return bench.Brokenf("this is no result") // it comes of the interruption
		}
		return ctx.Err()
	}, "a", "b", "c")
	trials, tally, err := labtest.TryTrials(t, ctx, e, "", nil)
	if !errors.Is(err, context.Canceled) || len(trials) != 1 || tally.Done() != 1 {
		t.Errorf("%d trials, %+v, %v; want one, and that the context ended", len(trials), tally, err)
	}
}

func TestNeeds(t *testing.T) {
	e := toy(func(_ context.Context, s *bench.Site, _ string) error { s.Put("toys", 1); return nil }, "able", "unable")
	setups := e.Setups
	e.Setups = func() ([]bench.Setup, error) {
		all, err := setups()
		all[1].Needs = []bench.Need{bench.NeedRoot, bench.NeedProgram("zombench-no-such-program", "write it")}
		return all, err
	}
	trials, tally, err := labtest.TryTrials(t, t.Context(), e, "", nil)
	if err != nil || len(trials) != 1 || len(tally.Skipped) != 1 || !strings.Contains(tally.Skipped[0].Err.Error(), "write it") {
		t.Errorf("%d trials, skipped %v, %v", len(trials), tally.Skipped, err)
	}
	if _, _, err := labtest.TryTrials(t, t.Context(), e, "/unable", nil); err == nil || !strings.Contains(err.Error(), "nothing that was asked for can be run here: Toy/does=unable: ") {
		t.Errorf("nothing can be run: %v", err)
	}
}

// An army that does not fit is refused before anything runs, unless it is
// optional: then it is left out.
func TestArmiesThatDoNotFit(t *testing.T) {
	for _, optional := range []bool{false, true} {
		e := toy(func(_ context.Context, s *bench.Site, _ string) error { s.Put("toys", 1); return nil }, "small", "huge")
		setups := e.Setups
		e.Setups = func() ([]bench.Setup, error) {
			all, err := setups()
			all[1].Army = bench.Army{Zombies: bench.MaxZombies, Spawn: "clone", Optional: optional}
			return all, err
		}
		trials, tally, err := labtest.TryTrials(t, t.Context(), e, "", nil)
		if optional && (err != nil || len(trials) != 1 || len(tally.Skipped) != 1) || !optional && (err == nil || len(trials) != 0) {
			t.Errorf("optional %v: %d trials, skipped %v, %v", optional, len(trials), tally.Skipped, err)
		}
	}
}

// Whatever a trial started is gone when it is over, last things first, and before
// the next one begins.
func TestCleanup(t *testing.T) {
	var order []string
	e := toy(func(_ context.Context, s *bench.Site, name string) error {
		s.Put("toys", 1)
		order = append(order, "run "+name)
		for _, what := range []string{"first", "second"} {
			s.Cleanup(func(context.Context) error { order = append(order, what+" of "+name); return nil })
		}
		return bench.Brokenf("it breaks, and is cleaned up all the same")
	}, "a")
	if _, _, err := labtest.TryTrials(t, t.Context(), e, "", nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"run a", "second of a", "first of a"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}
