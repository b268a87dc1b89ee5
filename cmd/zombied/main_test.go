package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	harness "zombench/bench/daemon"
	"zombench/bench/labtest/machine"
	"zombench/cmd/zombied/internal/pidfile"
)

func TestMain(m *testing.M) {
	tests := runs(func() int { return machine.Run(runs(func() int { return collect(m.Run()) })) })
	testscript.Main(tests, map[string]func(){"zombied": main})
}

// runs is a function as the tests of a package are run.
type runs func() int

func (r runs) Run() int { return r() }

// collect collects the armies that daemons have left to their reaper, as they
// should: whatever else is left after the tests is an error.
func collect(status int) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := harness.CollectOrphans(ctx, nil, func() bool { return false }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

func TestScripts(t *testing.T) {
	machine.Shared(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			zombied, err := exec.LookPath("zombied")
			if err != nil {
				return err
			}
			e.Setenv("ZOMBIED", zombied)
			e.Setenv("XDG_RUNTIME_DIR", e.WorkDir)
			e.Setenv("PIDFILE", filepath.Join(e.WorkDir, "zombied.pid"))
			e.Defer(func() { stopHolder(e.Getenv("PIDFILE")) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
	})
}

// exits is a script command: exits STATUS PROGRAM ARGS... runs a program whose
// exit status must be that one.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// stopHolder ends the daemon that holds a pid file, if there is one.
func stopHolder(path string) {
	r, err := findRemote(path)
	if err != nil {
		return
	}
	defer r.close()
	_ = r.order(unix.SIGKILL)
	_, _ = r.ended(10 * time.Second)
}

// holder gives the pid of the daemon that holds a pid file.
func holder(t *testing.T, path string) int {
	t.Helper()
	pid, held, err := pidfile.Holder(path)
	if err != nil || !held {
		t.Fatalf("nobody holds %s (%v)", path, err)
	}
	return pid
}
