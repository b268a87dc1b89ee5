package spawning

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripted is a contestant that takes as long as it is told.
type scripted struct {
	name string
	err  error
}

func (s scripted) Name() string { return s.name }

func (s scripted) Army(_ context.Context, count int) (Timing, error) {
	return Timing{Raise: time.Duration(count) * time.Microsecond}, s.err
}

func TestEveryHeatInEachRound(t *testing.T) {
	heats := []Heat{{scripted{name: "a"}, 10, 0}, {scripted{name: "b"}, 10, 2}, {scripted{name: "a"}, 20, 1}}
	const armies = 4 // in a round
	run := func(seed uint64) (order []string) {
		err := Run(t.Context(), heats, 5, seed, func(i, n int, h Heat) {
			if n != 5*armies || i != len(order) {
				t.Errorf("army %d of %d, want %d of %d", i, n, len(order), 5*armies)
			}
		}, func(r Result) error {
			if want := len(order) / armies; r.Round != want {
				t.Errorf("round %d, want %d", r.Round, want)
			}
			order = append(order, r.Contestant.Name()+strings.Repeat("+", r.Count/10))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return order
	}
	order := run(1)
	for round := range 5 {
		names := slices.Sorted(slices.Values(order[round*armies : (round+1)*armies]))
		if got := strings.Join(names, " "); got != "a+ a++ b+ b+" {
			t.Errorf("round %d: %v", round, got)
		}
	}
	if again := run(1); strings.Join(again, " ") != strings.Join(order, " ") {
		t.Error("the same seed gives another order")
	}
	if other := run(2); strings.Join(other, " ") == strings.Join(order, " ") {
		t.Error("another seed gives the same order")
	}
}

func TestRunEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	heats := []Heat{{scripted{name: "a", err: broken}, 10, 1}}
	err := Run(t.Context(), heats, 5, 1, func(int, int, Heat) {}, func(Result) error {
		t.Error("a heat that failed has a result")
		return nil
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a, 10 zombies") {
		t.Errorf("error %v, want that a was broken", err)
	}
}

// cpu is one that this process may run on.
func cpu(t *testing.T) int {
	t.Helper()
	n, err := LastCPU()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPeersRaiseArmies(t *testing.T) {
	peers, err := Compile(t.Context(), cpu(t))
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs gcc")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		timing, err := p.Army(t.Context(), 200)
		if err != nil || timing.Raise <= 0 || timing.Reap <= 0 {
			t.Errorf("%s: %+v, %v", p.Name(), timing, err)
		}
		if _, err := p.Army(t.Context(), 0); err == nil {
			t.Errorf("%s raises an army of none", p.Name())
		}
	}
}

// program makes a peer of a shell script.
func program(t *testing.T, script string) Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peer")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Program{Label: "peer", Path: path, CPU: cpu(t)}
}

func TestProgramsTimes(t *testing.T) {
	for script, want := range map[string]Timing{
		"echo raise_ns=$1 reap_ns=5": {10, 5},
		"echo nothing":               {},
		"echo raise_ns=1; exit 3":    {},
	} {
		got, err := program(t, script).Army(t.Context(), 10)
		if got != want || (err == nil) != (want != Timing{}) {
			t.Errorf("%q: %+v, %v; want %+v", script, got, err, want)
		}
	}
}

func TestProgramsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := program(t, "sleep 1000").Army(ctx, 10); err == nil {
		t.Error("a program outlives its context")
	}
}

func TestStressNGsMetrics(t *testing.T) {
	line := "stress-ng: metrc: [9484] zombie            10000      7.18      2.20      1.94      1392.45        2414.13        57.68          2684\n"
	m := stressTiming.FindStringSubmatch(line)
	if m == nil || m[1] != "10000" || m[2] != "7.18" {
		t.Errorf("%q", m)
	}
	if m := stressTiming.FindStringSubmatch("stress-ng: info:  [9484] dispatching hogs: 1 zombie"); m != nil {
		t.Errorf("%q is taken for metrics", m)
	}
}

// Pinning ends with the start: whoever starts goes on where it likes.
func TestPinnedPinsTheChildOnly(t *testing.T) {
	n := cpu(t)
	if n == 0 {
		t.Skip("needs two CPUs")
	}
	cmd := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := pinned(n)(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if fields := strings.Fields(out.String()); len(fields) != 2 || strings.ContainsAny(fields[1], ",-") {
		t.Errorf("the child may run on %q, want one CPU", out.String())
	}
	if again := cpu(t); again != n {
		t.Errorf("the highest CPU is %d now and was %d", again, n)
	}
}
