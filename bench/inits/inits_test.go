package inits

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

const (
	burst   = 200
	orphans = burst + doubleForks + 2*grandchildren
)

// small is the experiment with a small burst.
func small(t *testing.T, subreaper bool, inits ...string) bench.Experiment {
	t.Helper()
	e := labtest.Set(t, Experiment(), map[string]string{"burst": strconv.Itoa(burst), "subreaper": strconv.FormatBool(subreaper)})
	for _, line := range inits {
		labtest.Set(t, e, map[string]string{"init": line})
	}
	return e
}

// modes are the ways in which an init gets orphans.
var modes = map[string]bool{"pidns": false, "subreaper": true}

// script writes a shell script to be an init, and returns its path.
func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// alone is an experiment without its control, which has run with others.
func alone(t *testing.T, e bench.Experiment) bench.Experiment {
	t.Helper()
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	setups = slices.DeleteFunc(setups, func(s bench.Setup) bool { return s.Control })
	e.Setups = func() ([]bench.Setup, error) { return setups, nil }
	return e
}

// What is made to be an init passes.
func TestKnownInits(t *testing.T) {
	if !slices.ContainsFunc(known, func(name string) bool { _, err := exec.LookPath(name); return err == nil }) {
		t.Skipf("needs one of %s", strings.Join(known, ", "))
	}
	for mode, subreaper := range modes {
		labtest.Each(t, alone(t, small(t, subreaper)), "^Init$", func(t *testing.T, r results.Trial) {
			left, signals, status := labtest.Value(t, r, UnitLeft), labtest.Value(t, r, UnitSignals), labtest.Value(t, r, UnitStatus)
			if left != 0 || signals != asked || status != 1 || slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "fault: ") }) {
				t.Errorf("%v zombies are left, %v signals, status %v; %q", left, signals, status, r.Notes)
			}
			if ns := labtest.Value(t, r, UnitTime); ns <= 0 {
				t.Errorf("reaped in %v ns a zombie", ns)
			}
			if r.Param("mode") != mode {
				t.Errorf("mode %s, want %s", r.Param("mode"), mode)
			}
		})
	}
}

// try runs the trials of an experiment, and returns them by their inits and the
// faults of the run.
func try(t *testing.T, e bench.Experiment) (map[string]results.Trial, []bench.Fault) {
	t.Helper()
	trials, tally, err := labtest.TryTrials(t, t.Context(), e, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	byInit := make(map[string]results.Trial)
	for _, r := range trials {
		byInit[r.Param("init")] = r
	}
	return byInit, tally.Faults
}

// What never waits and what is deaf fail: without that the rest would mean
// nothing. Each fault of an init is told, in its trial and at the end of the run;
// those of the control are as they should be.
func TestFaults(t *testing.T) {
	for mode, subreaper := range modes {
		t.Run(mode, func(t *testing.T) {
			// A shell reaps, but it neither forwards signals nor ends with its
			// program.
			path := script(t, "deaf", `trap : HUP INT USR1 USR2 TERM; "$@"; exit 7`)
			trials, faults := try(t, small(t, subreaper, path))
			deaf, control := trials["deaf"], trials["never-waits"]
			if n := labtest.Value(t, deaf, UnitSignals); n != 0 {
				t.Errorf("a deaf init has forwarded %v signals", n)
			}
			if left := labtest.Value(t, deaf, UnitLeft); left != 0 {
				t.Errorf("a shell has left %v zombies", left)
			}
			if len(faults) != 1 || faults[0].Name != deaf.Name() || faults[0].What != "forwards 0 of 5 signals, does not end with its program" {
				t.Errorf("faults %v", faults)
			}
			if !slices.Contains(deaf.Notes, "fault: "+faults[0].What) {
				t.Errorf("notes %q", deaf.Notes)
			}
			if !control.Control {
				t.Error("what never waits is no control")
			}
			left, signals, status := labtest.Value(t, control, UnitLeft), labtest.Value(t, control, UnitSignals), labtest.Value(t, control, UnitStatus)
			if left != orphans || signals != 0 || status != 0 {
				t.Errorf("of %d zombies %v are left, %v signals, status %v; sleep reaps none, forwards none and keeps no status", orphans, left, signals, status)
			}
			if kept, ok := control.Value(UnitKept); ok && kept < orphans*4096 {
				t.Errorf("%v B are kept by %v zombies", kept, left)
			}
			if _, ok := control.Value(UnitTime); ok {
				t.Error("there is a time in which all were reaped")
			}
		})
	}
}

// An init under which nothing runs is at fault, and the run goes on.
func TestInitThatRunsNothing(t *testing.T) {
	trials, faults := try(t, alone(t, small(t, false, script(t, "refuses", "echo out of luck >&2; exit 3"))))
	r := trials["refuses"]
	if !strings.Contains(r.Broken, "does not start its program: out of luck") || len(r.Values) != 0 {
		t.Errorf("broken %q, values %v", r.Broken, r.Values)
	}
	if len(faults) != 1 || !strings.Contains(faults[0].What, "out of luck") {
		t.Errorf("faults %v", faults)
	}
}

// An init is not blamed for what nohup(1) has this process ignore.
func TestUnderNohup(t *testing.T) {
	if _, err := exec.LookPath("tini"); err != nil {
		t.Skip(err)
	}
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	trials, faults := try(t, alone(t, small(t, false, "tini")))
	if n := labtest.Value(t, trials["tini"], UnitSignals); n != asked || len(faults) != 0 {
		t.Errorf("%v of %d signals were forwarded; faults %v", n, asked, faults)
	}
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
}

// Whenever a run is interrupted, it ends and nothing is left of it: the record of
// the run checks that.
func TestInterrupted(t *testing.T) {
	for mode, subreaper := range modes {
		for _, at := range []string{"settling: before", "settling: after"} {
			t.Run(mode+" "+at, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				trials, _, err := labtest.TryTrials(t, ctx, small(t, subreaper, script(t, "shell", `"$@"`)), "", func(what string) {
					if what == at {
						cancel()
					}
				})
				if !errors.Is(err, context.Canceled) || len(trials) != 0 {
					t.Errorf("error %v, trials %v; want that the context ended", err, trials)
				}
			})
		}
	}
}

func TestNoInitIsHere(t *testing.T) {
	labtest.Zombied(t) // is built before the programs go
	bin := t.TempDir()
	for _, name := range []string{"go", "sh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	trials, tally, err := labtest.TryTrials(t, t.Context(), small(t, false), "", nil)
	if err == nil || len(trials) != 0 {
		t.Fatalf("error %v, trials %v", err, trials)
	}
	for _, want := range []string{"tini is not on PATH", "apt install tini", "name another init"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if len(tally.Skipped) != len(known) {
		t.Errorf("skipped %v, want %v", tally.Skipped, known)
	}
}

// What cannot be tested is refused before anything starts, by the name of the
// field.
func TestInitsThatCannotBe(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for _, inits := range [][]string{{"  "}, {"zombench-no-such-init --flag"}, {sh, "sh"}, {"sh -x", sh + " -x"}} {
		e := small(t, false, inits...)
		r := bench.Runner{Experiments: []bench.Experiment{e}}
		err := r.Validate()
		if field, ok := errors.AsType[*bench.FieldError](err); !ok || field.Field != "init" || !strings.Contains(err.Error(), strings.TrimSpace(inits[len(inits)-1])) {
			t.Errorf("%q: %v", inits, err)
		}
	}
	for _, value := range []string{"0", "-1", "100000", "all"} {
		for _, f := range Experiment().Fields {
			if f.Name == "burst" && f.Value.Set(value) == nil {
				t.Errorf("a burst of %s is accepted", value)
			}
		}
	}
}

func TestSetups(t *testing.T) {
	setups, err := small(t, true, "sh -x").Setups()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range setups {
		names = append(names, s.Name())
		if s.Army.Zombies != orphans {
			t.Errorf("%s asks for %d zombies, want %d", s.Name(), s.Army.Zombies, orphans)
		}
	}
	if diff := cmp.Diff([]string{"Init/init=sh_-x/mode=subreaper/burst=200", "Init/init=never-waits/mode=subreaper/burst=200"}, names); diff != "" {
		t.Error(diff)
	}
	if setups[0].Control || !setups[1].Control {
		t.Error("the control is not what never waits")
	}
}

func TestParse(t *testing.T) {
	for _, name := range known {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Log(err)
			continue
		}
		for line, want := range map[string]candidate{
			name:         {name: name, command: []string{name, "--"}},
			path:         {name: name, command: []string{path, "--"}},
			name + " -s": {name: name + " -s", command: []string{name, "-s"}},
		} {
			got, err := parse(line)
			if err != nil || got.name != want.name || !slices.Equal(got.command, want.command) {
				t.Errorf("%q: %+v, %v; want %+v", line, got, err, want)
			}
		}
	}
}

func TestFaultsOfAScore(t *testing.T) {
	for _, tt := range []struct {
		score score
		want  []string
	}{
		{score{signals: asked, status: status}, nil},
		{score{left: 3, signals: asked, status: status}, []string{"leaves 3 zombies"}},
		{score{signals: 4, status: 128 + 15}, []string{"forwards 4 of 5 signals", "ends with status 143 and not 42"}},
		{score{left: 1, status: -1}, []string{"leaves 1 zombies", "forwards 0 of 5 signals", "does not end with its program"}},
	} {
		if diff := cmp.Diff(tt.want, tt.score.faults()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.score, diff)
		}
	}
}

func TestBecomeSubreaper(t *testing.T) {
	for _, args := range [][]string{nil, {"/nonexistent/init"}, {"/nonexistent/init", "init"}} {
		if status := subreaperProgram().Main(args); status != 126 {
			t.Errorf("%q: status %d", args, status)
		}
	}
}
