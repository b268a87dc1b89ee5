package foreign

import (
	"errors"
	"fmt"
	"os/exec"
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
	for _, tt := range []struct {
		name, needs, command string
		least                int
		fields               map[string]string
		broken               string
	}{
		{"buggy server", "perl", "exec " + buggy, 200, nil, ""},
		{"the same in the background", "perl", buggy + " & wait", 200, nil, ""},
		{"stress-ng", "stress-ng", "exec stress-ng --quiet --zombie 1 --zombie-max 300 --timeout 100", 300, nil, ""},
		{"in a pid namespace that stays", "perl", "exec " + buggy, 200, map[string]string{"pidns": "1"}, ""},
		{"in two", "perl", "exec " + buggy, 200, map[string]string{"pidns": "2"}, ""},
		{"a daemon that waits to be a child of pid 1", "perl", detaches, 100, map[string]string{"pidns": "1"}, ""},
		// The controls: who waits for its children, who takes them along, who never
		// gets to have any, and who is not there.
		{"good server", "perl", `exec perl -e 'for (1..200) { exit 0 unless fork; wait } sleep 1000'`, 0, nil, "the command leaves no zombie"},
		{"pid namespace", "unshare", "exec unshare --pid --fork " + buggy, 0, nil, "somebody has collected them"},
		{"no such command", "sh", "exec zombench-no-such-program", 0, nil, "the command leaves no zombie: it ended with exit status 127"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.needs); err != nil {
				t.Skip(err)
			}
			e := labtest.Set(t, Experiment(), map[string]string{"daemon": tt.command, "still": "500ms", "within": "30s"})
			e = labtest.Set(t, e, tt.fields)
			r := labtest.Trials(t, e, "")[0]
			if tt.broken != "" {
				if !strings.Contains(r.Broken, tt.broken) {
					t.Errorf("broken: %q, want %q", r.Broken, tt.broken)
				}
				return
			}
			if r.Broken != "" {
				t.Fatalf("broken: %s", r.Broken)
			}
			t.Log(r.Params, r.Values)
			if r.N < tt.least/2 || r.N > tt.least+2 { // what it had running besides is a zombie too where nobody else waits
				t.Errorf("%d zombies, want %d", r.N, tt.least)
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
	if r := trials[0]; r.Broken == "" {
		t.Errorf("%v of a program that is never at rest", r.Values)
	}
}

func TestACommandIsNeeded(t *testing.T) {
	_, err := labtest.Set(t, Experiment(), map[string]string{"daemon": "  "}).Setups()
	if field, ok := errors.AsType[*bench.FieldError](err); !ok || field.Field != "daemon" {
		t.Error(fmt.Sprint(err), "want that the command is missing")
	}
}
