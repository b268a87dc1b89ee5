package reexec

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The program says what it was started with, and ends with a status of its own.
const (
	program = "zombench-test-program"
	moving  = "zombench-test-moving" // changes its directory, and becomes another
	status  = 7
)

func TestMain(m *testing.M) {
	Dispatch(
		Program{"zombench-test-other", func([]string) int { return 0 }},
		Program{program, func(args []string) int {
			fmt.Printf("%q %q", os.Args[0], args)
			return status
		}},
		Becoming(moving, 1, func(args []string) error { return os.Chdir(args[0]) }))
	os.Exit(m.Run())
}

// became runs a command and returns what the program said, if it was it.
func became(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != status {
		t.Fatalf("%q: %v, %s; want status %d", cmd.Args, err, out, status)
	}
	return string(out)
}

func TestCommand(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b c", ""}} {
		want := fmt.Sprintf("%q %q", program, args)
		if got := became(t, Command(program, args...)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A program that nobody dispatched must not go on for ever.
func TestCommandStartsNotItself(t *testing.T) {
	if err := Command(os.Args[0]).Run(); err == nil || !strings.Contains(err.Error(), "would start itself") {
		t.Errorf("error %v", err)
	}
}

// Nothing but argument zero decides what this executable becomes.
func TestDispatchReturns(t *testing.T) {
	for _, name := range []string{"zombench-test", "", program + "-2"} {
		cmd := Command(name, "-test.list", "^TestCommand$", program)
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), "TestCommand\n") {
			t.Errorf("%q: %v, %s; want the test binary itself", name, err, out)
		}
	}
}

// What a command was to run is handed to the program, and what it was to have
// stays.
func TestWrap(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 0")
	path := cmd.Path
	cmd.Dir = t.TempDir()
	Wrap(cmd, program, "1", "2")
	want := fmt.Sprintf("%q %q", program, []string{"1", "2", path, "sh", "-c", "exit 0"})
	if got := became(t, cmd); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !slices.Equal(cmd.Args, []string{program, "1", "2", path, "sh", "-c", "exit 0"}) || cmd.Dir == "" {
		t.Errorf("%q in %q", cmd.Args, cmd.Dir)
	}
}

// What a program did to itself is kept by what it becomes.
func TestBecoming(t *testing.T) {
	for dir, want := range map[string]string{"/": "/\n", "/nonexistent": "zombench-test-moving: chdir /nonexistent: no such file or directory\n"} {
		cmd := exec.Command("pwd")
		Wrap(cmd, moving, dir)
		if out, err := cmd.CombinedOutput(); string(out) != want || (err == nil) != (dir == "/") {
			t.Errorf("%s: %q, %v; want %q", dir, out, err, want)
		}
	}
	out, err := Command(moving, "/").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "want 1 arguments, a program and its name") {
		t.Errorf("without a program to become: %q, %v", out, err)
	}
}
