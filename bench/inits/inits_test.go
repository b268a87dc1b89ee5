package inits

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/janitor"
	"zombench/measure"
)

// The test binary is its own janitor, and becomes subreapers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "janitor":
			os.Exit(janitor.Main(os.Args[2:]))
		case "subreaper":
			fmt.Fprintln(os.Stderr, Exec(os.Args[2:]))
			os.Exit(1)
		}
	}
	if err := daemon.BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if children, err := measure.Host().Children(os.Getpid()); err != nil || len(children) > 0 {
		fmt.Fprintf(os.Stderr, "children %v are left after the tests (%v)\n", children, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func openLab(t *testing.T) *bench.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, pid namespaces")
	}
	lab, err := bench.Open(t.Context(), bench.Options{
		FS:       measure.Host(),
		LockPath: filepath.Join(t.TempDir(), "lock"),
		Janitor:  []string{"janitor"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if lab.CgroupKind() == "none" {
		t.Skip("needs a cgroup hierarchy with the pids controller")
	}
	return lab
}

const burst = 200

// modes are the ways in which a candidate gets orphans.
var modes = map[string]Options{
	"pidns":     {Burst: burst},
	"subreaper": {Burst: burst, Subreaper: []string{"subreaper"}},
}

// What is made to be an init passes.
func TestKnownReapers(t *testing.T) {
	lab := openLab(t)
	for mode, o := range modes {
		for _, name := range Known {
			t.Run(mode+"/"+name, func(t *testing.T) {
				c, err := Parse(name)
				if err != nil {
					t.Skipf("%v; apt-get install %s", err, name)
				}
				score, err := Try(t.Context(), lab, c, o)
				if err != nil {
					t.Fatal(err)
				}
				if faults := score.Faults(); faults != nil {
					t.Errorf("%v; %+v", faults, score)
				}
				if score.Collected <= 0 {
					t.Error("not collected in time")
				}
			})
		}
	}
}

// A candidate is not blamed for what nohup(1) has this process ignore.
func TestUnderNohup(t *testing.T) {
	c, err := Parse("tini")
	if err != nil {
		t.Skipf("%v; apt-get install tini", err)
	}
	lab := openLab(t)
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	score, err := Try(t.Context(), lab, c, Options{Burst: 10})
	if err != nil {
		t.Fatal(err)
	}
	if score.Signals != score.Asked {
		t.Errorf("%d of %d signals were handed on", score.Signals, score.Asked)
	}
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
}

// What is not, fails: without this the trial would mean nothing.
func TestBadReapers(t *testing.T) {
	lab := openLab(t)
	for mode, o := range modes {
		t.Run(mode+"/never-waits", func(t *testing.T) {
			score, err := Try(t.Context(), lab, NeverWaits(), o)
			if err != nil {
				t.Fatal(err)
			}
			// All but the program that it has started and that still lives.
			if score.Left != score.Orphans {
				t.Errorf("%d zombies are left, want all %d orphans", score.Left, score.Orphans)
			}
			if faults := score.Faults(); len(faults) != 3 {
				t.Errorf("faults %q, want three", faults)
			}
			if score.Kept == nil {
				t.Log("no kernel memory accounting here")
			} else if *score.Kept < float64(score.Orphans)*4096 {
				t.Errorf("%v B are kept by %d zombies", *score.Kept, score.Left)
			}
		})
		// A shell reaps, but it neither hands signals on nor ends in time.
		t.Run(mode+"/deaf", func(t *testing.T) {
			c := Candidate{Name: "deaf", Command: []string{"sh", "-c", `trap : HUP INT USR1 USR2 TERM; "$@"; exit 7`, "deaf"}}
			score, err := Try(t.Context(), lab, c, o)
			if err != nil {
				t.Fatal(err)
			}
			if score.Signals != 0 || !slices.ContainsFunc(score.Faults(), func(f string) bool { return strings.Contains(f, "signals") }) {
				t.Errorf("a deaf init has handed %d signals on: %q", score.Signals, score.Faults())
			}
		})
	}
}

func TestParse(t *testing.T) {
	if _, err := Parse("  "); err == nil {
		t.Error("an empty command is accepted")
	}
	if _, err := Parse("zombench-no-such-init --flag"); err == nil {
		t.Error("a program that is not there is accepted")
	}
	c, err := Parse("sh -x")
	if err != nil || c.Name != "sh" || !slices.Equal(c.Command, []string{"sh", "-x"}) {
		t.Errorf("%+v, %v", c, err)
	}
	if path, err := exec.LookPath("tini"); err == nil {
		if c, err := Parse(path); err != nil || !slices.Equal(c.Command, []string{path, "--"}) {
			t.Errorf("%+v, %v", c, err)
		}
	}
}
