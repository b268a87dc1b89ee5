package foreign

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A buggy server: it forks and never waits.
const buggy = `perl -e 'for (1..200) { exit 0 unless fork } sleep 1000'`

// A daemon that detaches as the published one does: it starts itself again until
// its parent is pid 1, which under a child subreaper never comes about.
const detaches = `exec perl -e 'while (getppid() != 1) { exit 0 if fork; select undef, undef, undef, 0.02 } for (1..100) { exit 0 unless fork } sleep 1000'`

func TestForeignArmies(t *testing.T) {
	inits := func(n string) map[string]string { return map[string]string{"pidns": n} }
	for _, tt := range []struct {
		name, needs, command string
		least, most          int
		fields               map[string]string
		broken               string
	}{
		{"buggy server", "perl", "exec " + buggy, 200, 200, nil, ""},
		{"the same in the background", "perl", buggy + " & wait", 200, 200, nil, ""},
		{"one that ends", "perl", `exec perl -e 'for (1..200) { exit 0 unless fork }'`, 200, 200, nil, ""},
		{"stress-ng", "stress-ng", "exec stress-ng --quiet --zombie 1 --zombie-max 300 --timeout 100", 150, 300, nil, ""},
		{"in a pid namespace that stays", "perl", "exec " + buggy, 200, 200, inits("1"), ""},
		{"in two", "perl", "exec " + buggy, 200, 200, inits("2"), ""},
		{"one that ends, in a pid namespace", "perl", `exec perl -e 'for (1..200) { exit 0 unless fork }'`, 200, 200, inits("1"), ""},
		// Its own forebears are zombies too, since its init reaps nobody.
		{"a daemon that waits to be a child of pid 1", "perl", detaches, 100, 120, inits("1"), ""},
		// The controls: who waits for its children, who takes them along, who never
		// gets to have any, and who is not there.
		{"good server", "perl", `exec perl -e 'for (1..200) { exit 0 unless fork; wait } sleep 1000'`, 0, 0, nil, "the command leaves no zombie"},
		{"pid namespace", "unshare", "exec unshare --pid --fork " + buggy, 0, 0, nil, "somebody has collected them"},
		{"a daemon that waits to be a child of pid 1, in vain", "perl", detaches, 0, 0, map[string]string{"within": "3s"},
			"the number of its tasks did not stay the same for 300ms within 3s: "},
		{"no such command", "sh", "exec zombench-no-such-program", 0, 0, nil, "the command leaves no zombie: it ended with exit status 127: "},
		{"no such command in a pid namespace", "sh", "exec zombench-no-such-program", 0, 0, inits("1"), "the command leaves no zombie: it ended with exit status 127: "},
		{"killed", "sh", "echo mercy >&2; kill -KILL $$", 0, 0, nil, "the command leaves no zombie: it was ended by a signal (killed): mercy"},
		{"killed in a pid namespace", "sh", "echo mercy >&2; kill -KILL $$", 0, 0, inits("2"), "the command leaves no zombie: it was ended by a signal (killed): mercy"},
		{"one that does nothing", "sh", "exit 0", 0, 0, nil, "the command leaves no zombie"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.needs); err != nil {
				t.Skip(err)
			}
			e := labtest.Set(t, Experiment(), map[string]string{"daemon": tt.command, "still": "300ms", "within": "30s"})
			e = labtest.Set(t, e, tt.fields)
			r := labtest.Trials(t, e, "")[0]
			if tt.broken != "" {
				if !strings.HasPrefix(r.Broken, tt.broken) && tt.needs != "unshare" || !strings.Contains(r.Broken, tt.broken) {
					t.Errorf("broken: %q, want %q", r.Broken, tt.broken)
				}
				if strings.Contains(tt.command, "no-such") && !strings.HasSuffix(r.Broken, "not found") {
					t.Errorf("broken: %q, want the shell's own words", r.Broken)
				}
				if strings.HasPrefix(tt.broken, "the number") && !strings.HasSuffix(r.Broken, "a daemon that waits to be a child of pid 1 needs pidns 1") {
					t.Errorf("broken: %q, want what helps", r.Broken)
				}
				return
			}
			if r.Broken != "" {
				t.Fatalf("broken: %s", r.Broken)
			}
			t.Log(r.Params, r.Values)
			if r.N < tt.least || r.N > tt.most || r.Param("count") != fmt.Sprint(r.N) || r.Param("spawn") != "foreign" {
				t.Errorf("%s: %d zombies, want %d to %d", r.Name(), r.N, tt.least, tt.most)
			}
			if pids, _ := r.Value(results.UnitPids); pids != 1 {
				t.Errorf("%v pids a zombie", pids)
			}
			if kmem, ok := r.Value(results.UnitKmem); ok && (kmem < 4096e3 || kmem > 65536e3) {
				t.Errorf("%.0f B charged for 1000 zombies", kmem)
			}
		})
	}
}

// Only like is compared with like: all trials of a run are of as many zombies as
// the first has found.
func TestTrialsOfARunAreAlike(t *testing.T) {
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "runs") // each run leaves more zombies than the one before
	command := fmt.Sprintf(`echo >> %s; exec perl -e 'for (1..50 * shift) { exit 0 unless fork } sleep 1000' $(wc -l < %s)`, file, file)
	r, rec := labtest.Runner(t, labtest.Set(t, Experiment(), map[string]string{"daemon": command, "still": "300ms", "within": "30s"}))
	r.Samples = 3
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, trial := range rec.Trials {
		if trial.Broken != "" || trial.Name() != "Zombies/count=50/spawn=foreign" || trial.N != 50 {
			t.Errorf("trial %d: %s, broken: %q", i+1, trial.Name(), trial.Broken)
		}
		if found := fmt.Sprintf("about %d zombies were found", 50*(i+1)); !strings.Contains(strings.Join(trial.Notes, "\n"), found) {
			t.Errorf("trial %d: notes %q, want that %s", i+1, trial.Notes, found)
		}
	}
	if len(rec.Trials) != 3 {
		t.Errorf("%d trials", len(rec.Trials))
	}
}

// A run that is interrupted leaves nothing of the command, wherever it is.
func TestInterruptedTrialLeavesNothing(t *testing.T) {
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip(err)
	}
	for inits, points := range map[string][]string{
		"0": {"starting the command", "waiting until", "killing the command", "settling: after", "collecting", "settling: before"},
		"2": {"starting the command", "killing the command", "collecting"},
	} {
		for _, at := range points {
			t.Run(inits+" "+at, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				e := labtest.Set(t, Experiment(), map[string]string{"daemon": "exec " + buggy, "still": "100ms", "within": "30s", "pidns": inits})
				reached := false
				trials, _, err := labtest.TryTrials(t, ctx, e, "", func(what string) {
					if strings.HasPrefix(what, at) {
						reached = true
						cancel()
					}
				})
				if !reached || !errors.Is(err, context.Canceled) || len(trials) != 0 {
					t.Errorf("reached %v, error %v, recorded %v; want nothing and that the context ended", reached, err, trials)
				}
			})
		}
	}
}

// While it waits it says for what and for how long, and a daemon that never gets
// there is given up with what helps.
func TestWhatNeverSettlesIsGivenUp(t *testing.T) {
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip(err)
	}
	said := ""
	e := labtest.Set(t, Experiment(), map[string]string{"daemon": `exec perl -e 'while (1) { for (1..20) { fork or exit } 1 while wait > 0; select undef, undef, undef, 0.05 * rand }'`, "still": "2s", "within": "3s"})
	trials, _, err := labtest.TryTrials(t, t.Context(), e, "", func(what string) {
		if strings.HasPrefix(what, "waiting") {
			said = what
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, "stays the same for 2s") || !strings.Contains(said, "gives up after 3s") {
		t.Errorf("it says %q while it waits", said)
	}
	if r := trials[0]; !strings.HasPrefix(r.Broken, "the number of its tasks did not stay the same for 2s within 3s: ") {
		t.Errorf("broken: %q, values %v of a program that is never at rest", r.Broken, r.Values)
	}
}

func TestACommandIsNeeded(t *testing.T) {
	_, err := labtest.Set(t, Experiment(), map[string]string{"daemon": "  "}).Setups()
	if field, ok := errors.AsType[*bench.FieldError](err); !ok || field.Field != "daemon" {
		t.Error(fmt.Sprint(err), "want that the command is missing")
	}
}
