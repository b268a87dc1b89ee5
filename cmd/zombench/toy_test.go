package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/experiments"
	"zombench/bench/labtest"
	"zombench/results"
)

// toy is an experiment as small as can be. A new one needs this, in a package of
// its own, and a line in the list: nothing else knows of it.
func toy() bench.Experiment {
	toys := 3
	return bench.Experiment{
		Name:    "toy",
		Asks:    "how many toys are there?",
		Units:   []results.Unit{{Name: "toys", Meta: "better=lower", Meaning: "toys that were counted"}},
		Samples: 2,
		Fields:  []bench.Field{{Name: "toys", Usage: "toys to count", Value: bench.Int(&toys, 1, 10)}},
		Setups: func() ([]bench.Setup, error) {
			return []bench.Setup{{
				Bench: "Toy", Params: []results.Param{{Key: "box", Value: "red"}}, About: "toys in the red box",
				Run: func(ctx context.Context, s *bench.Site) error {
					s.Doing("counting toys")
					s.Put("toys", float64(toys))
					return ctx.Err()
				},
			}}, nil
		},
	}
}

// withToy is the list with one line more.
func withToy() []bench.Experiment { return append(experiments.All(), toy()) }

// zombench runs a command line in this process.
func zombench(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	err := execute(ctx, withToy, &out, &errs, args)
	status = exitCode(&errs, err)
	return out.String(), errs.String(), status
}

func TestANewExperimentIsKnownToEveryCommand(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "toy.txt"), filepath.Join(dir, "other.txt")
	lock, zombied := "--lock="+filepath.Join(dir, "lock"), "--zombied="+labtest.Zombied(t)
	has := func(what, text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", what, want, text)
			}
		}
	}

	list, _, _ := zombench(t, t.Context(), "list", "toy")
	has("list", list, "how many toys are there?", "Toy/box=red", "toys in the red box", "yes")
	help, _, _ := zombench(t, t.Context(), "run", "--help")
	has("help", help, "--toys", "toys to count")

	answer, progress, status := zombench(t, t.Context(), "run", "toy", "--toys", "5", "--samples", "6", "-o", file, lock, zombied)
	if status != 0 {
		t.Fatalf("run: status %d\n%s", status, progress)
	}
	has("the answer", answer, "Toy", "red", "toys in the red box", "toys that were counted", "5")
	has("the progress", progress, "6/6 trials")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	has("the file", string(text), "BenchmarkToy/box=red 1 5 toys", "# about Toy/box=red: toys in the red box", "# unit toys: toys that were counted")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, errs, status := zombench(t, ended, "run", "toy", "-o", other, lock, zombied); status != 130 {
		t.Errorf("interrupted: status %d\n%s", status, errs)
	}
	if _, errs, status := zombench(t, t.Context(), "run", "toy", "--toys", "11", lock, zombied); status != usageStatus || !strings.Contains(errs, "--toys") {
		t.Errorf("a bad field: status %d\n%s", status, errs)
	}

	for _, format := range []string{"text", "markdown", "html", "csv", "json", "latex"} {
		doc, errs, status := zombench(t, t.Context(), "report", "--format", format, file)
		if status != 0 {
			t.Errorf("report --format %s: status %d\n%s", format, status, errs)
		}
		has(format, doc, "Toy", "toys", "5")
		if format == "json" && !json.Valid([]byte(doc)) {
			t.Errorf("no JSON: %s", doc)
		}
	}
	if _, errs, status := zombench(t, t.Context(), "run", "toy", "--toys", "4", "--samples", "6", "-q", "-o", other, lock, zombied); status != 0 {
		t.Fatal(errs)
	}
	if out, errs, status := zombench(t, t.Context(), "check", file, other); status != 0 {
		t.Errorf("check, of fewer toys: status %d\n%s%s", status, out, errs)
	}
	if out, errs, status := zombench(t, t.Context(), "check", other, file); status != worseStatus {
		t.Errorf("check, of more toys: status %d\n%s%s", status, out, errs)
	}
	compared, _, _ := zombench(t, t.Context(), "report", "--col", ".file", file, other)
	has("the comparison", compared, "Toy", "toys")
}
