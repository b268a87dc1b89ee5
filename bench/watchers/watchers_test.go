package watchers

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"zombench/bench/labtest"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A process that walks /proc is named, and nobody else is: the same trial without
// it must not find it.
func TestAWatcherIsNamed(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"watch": "3s"})
	named := func(command string) (found *results.Watcher) {
		for _, trial := range labtest.Trials(t, e, "") {
			if trial.Broken != "" {
				t.Fatalf("broken: %s", trial.Broken)
			}
			for _, w := range trial.Watchers {
				t.Logf("%+v", w)
				if w.Command == command {
					found = &w
				}
			}
		}
		return found
	}
	if w := named("zombench-look"); w != nil {
		t.Errorf("found %+v, and it does not run", w)
	}
	// One process without children, which killing it would leave to us.
	script := `$0 = "zombench-look"; while (kill 0, $ARGV[0]) { for (glob "/proc/[0-9]*/stat") { open my $f, "<", $_ or next; <$f> } select undef, undef, undef, 0.4 }`
	cmd := exec.Command("perl", "-e", script, fmt.Sprint(os.Getpid()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	// Another watcher of the host may be first at some zombies, and what it left
	// there is found, not made, by the next.
	var w *results.Watcher
	for i := 0; i < 3 && w == nil; i++ {
		w = named("zombench-look")
	}
	if w == nil {
		t.Fatal("it walks /proc twice a second and is not named")
	}
	if w.PID != uint64(cmd.Process.Pid) || w.Looks < 1 || w.Objects == 0 || w.Bytes < 300*w.Objects/2 {
		t.Errorf("%+v, want pid %d, some looks and what they left", *w, cmd.Process.Pid)
	}
}
