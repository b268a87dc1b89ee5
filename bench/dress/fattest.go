package dress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

// fattest is what one unprivileged process can take with it, each as much as
// there may be by default. Threads come last: who has some cannot have a user
// namespace any more.
var fattest = []string{"keyring=max", "landlock=65536", "userns=32", "pending=max", "setsid", "uring", "threads"}

// aUser is who raises it: nobody else has this id, whose keys and signals are
// counted.
const aUser = 1_901_000_000

func fattestSetup() bench.Setup {
	return bench.Setup{
		Bench:  Fattest,
		Params: []results.Param{{Key: "user", Value: "unprivileged"}, {Key: "count", Value: "1"}},
		About:  "the most that one zombie of an unprivileged user holds with the limits that the user has",
		Needs:  []bench.Need{bench.NeedRoot, bench.NeedCgroup},
		Army:   bench.Army{Zombies: 1, Tasks: parallel},
		Run:    bench.Stepwise(runFattest),
	}
}

// runFattest raises one zombie in everything that this kernel lets a user have.
func runFattest(s *bench.Steps) {
	s.ReadSystem()
	s.ReadCgroups()
	start := asUser(s)
	var able []string
	for _, outfit := range fattest {
		a := &army{name: outfit, outfit: outfit}
		a.start(s, start, 0)
		if err := s.Err; errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) {
			s.Err = nil
			s.Note("without %v", err)
			continue
		}
		able = append(able, outfit)
	}
	if len(able) == 0 {
		s.Err = fmt.Errorf("a user may have none of %s: %w", strings.Join(fattest, ", "), measure.ErrNotPermitted)
	}
	a := &army{name: "dressed", outfit: strings.Join(able, "+")}
	s.Note("it wears %s", a.outfit)
	a.start(s, start, 1)
	s.Doing("waiting for what was tried")
	calm(s, 2*time.Second)
	a.before = s.Settle("before")
	a.raise(s, 1)
	a.reaped = a.reap(s, "reaped", a.before)
	// Beside nobody: what it holds is all of it.
	for _, v := range difference(s.Lab, &army{after: a.after, before: a.after, reaped: a.after}, a, 1) {
		s.Put(v.Unit, v.Value)
	}
	warn(s, a.before, a.reaped)
	a.check(s, 1)
}

// asUser returns a start by which zombied belongs to a user without privileges.
// That user need not be able to reach the program: it is opened beforehand.
func asUser(s *bench.Steps) daemon.Starter {
	var program *os.File
	s.Step(func() (err error) {
		if program, err = os.Open(s.Lab.Zombied); err == nil {
			s.Cleanup(func(context.Context) error { return program.Close() })
		}
		return err
	})
	return func(cmd *exec.Cmd) error {
		cmd.ExtraFiles = append(cmd.ExtraFiles, program)
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: aUser, Gid: aUser}
		return s.Start(cmd)
	}
}
