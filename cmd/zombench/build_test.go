package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Two builds of one commit, in two directories, are the same bytes and know the
// commit; with a change in the tree they are not, and say so.
func TestBuildsAlike(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	build := func(dir string) []byte {
		t.Helper()
		run(dir, "make", "build", "PROGRAMS=./cmd/zombied")
		b, err := os.ReadFile(filepath.Join(dir, "bin/zombied"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "the other")
	for _, dir := range []string{one, two} {
		run(root, "git", "-c", "safe.directory=*", "clone", "--quiet", "--no-local", root, dir)
	}
	first := build(one)
	if !bytes.Equal(first, build(two)) {
		t.Error("two builds of one commit differ")
	}
	if err := os.Remove(filepath.Join(two, "README.md")); err != nil {
		t.Fatal(err)
	}
	dirty := build(two)
	if bytes.Equal(first, dirty) || !bytes.Contains(dirty, []byte("+dirty")) {
		t.Error("a changed tree is not told from its commit")
	}
}
