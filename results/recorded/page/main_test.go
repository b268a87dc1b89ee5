package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

func recordedAll(t *testing.T) record {
	t.Helper()
	all, err := load("..")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What is committed is what the files say.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dress"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := recordedAll(t).write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "dress/README.md", "bars.svg", "front.svg", "timeline.svg"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join("..", name)); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the files say, make recorded writes it: %v\n%s", name, err, cmp.Diff(string(got), string(want)))
		}
	}
}

// A trial more or less is seen.
func TestPageSeesTheFiles(t *testing.T) {
	all := recordedAll(t)
	for _, r := range all.kernels.Records {
		for j, v := range r.Values {
			if v.Unit == results.UnitKmem {
				r.Values[j].Value *= 1.01
			}
		}
	}
	dir := t.TempDir()
	if err := writeKernels(dir, all.kernels, all.options); err != nil {
		t.Fatal(err)
	}
	got, err1 := os.ReadFile(filepath.Join(dir, "README.md"))
	committed, err2 := os.ReadFile(filepath.Join("..", "README.md"))
	if err1 != nil || err2 != nil || string(got) == string(committed) {
		t.Errorf("one percent more is not seen: %v, %v", err1, err2)
	}
}
