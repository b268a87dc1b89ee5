package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"zombench/bench/cgroup"
	"zombench/bench/experiments"
	"zombench/bench/labtest"
	"zombench/bench/reexec"
	"zombench/measure"
)

// The test binary is zombench itself, for scripts, and whatever zombench becomes.
func TestMain(m *testing.M) {
	reexec.Dispatch(programs(experiments.All())...)
	testscript.Main(runner{m}, map[string]func(){"zombench": main})
}

type runner struct{ m *testing.M }

func (r runner) Run() int { return labtest.Run(r.m) }

func canMakeCgroups() bool {
	place, err := cgroup.Find(measure.Host())
	return err == nil && place.Close() == nil
}

// TestScripts plays the sessions at a terminal in testdata/script.
func TestScripts(t *testing.T) {
	zombied := labtest.Zombied(t)
	benchstat := ""
	if out, err := exec.Command("go", "tool", "-n", "benchstat").Output(); err == nil {
		benchstat = string(out[:len(out)-1])
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ZOMBIED", zombied)
			env.Setenv("BENCHSTAT", benchstat)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "cgroups":
				return os.Geteuid() == 0 && canMakeCgroups(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}
