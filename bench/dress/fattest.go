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
		Run:    runFattest,
	}
}

// runFattest raises one zombie in everything that this kernel lets a user have.
func runFattest(ctx context.Context, s *bench.Site) error {
	s.ReadSystem()
	s.ReadCgroups()
	start, err := asUser(s)
	if err != nil {
		return err
	}
	var able []string
	for _, outfit := range fattest {
		a := &army{name: outfit, outfit: outfit}
		err := a.start(ctx, s, start, 0)
		switch {
		case errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted):
			s.Note("without %v", err)
			continue
		case err != nil:
			return err
		}
		able = append(able, outfit)
	}
	if len(able) == 0 {
		return fmt.Errorf("a user may have none of %s: %w", strings.Join(fattest, ", "), measure.ErrNotPermitted)
	}
	a := &army{name: "dressed", outfit: strings.Join(able, "+")}
	s.Note("it wears %s", a.outfit)
	if err := a.start(ctx, s, start, 1); err != nil {
		return err
	}
	s.Doing("waiting for what was tried")
	if err := calm(ctx, s, 2*time.Second); err != nil {
		return err
	}
	if a.before, err = s.Settle(ctx, "before", nil); err != nil {
		return err
	}
	if err := a.raise(ctx, s, 1); err != nil {
		return err
	}
	if a.reaped, err = a.reap(ctx, s, "reaped", a.before); err != nil {
		return err
	}
	// Beside nobody: what it holds is all of it.
	for _, v := range difference(s.Lab, &army{after: a.after, before: a.after, reaped: a.after}, a, 1) {
		s.Put(v.Unit, v.Value)
	}
	for _, what := range left(s.Lab, a.before, a.reaped) {
		s.Warn("did not come back after the reap: %s", what)
	}
	return a.broken(s, 1)
}

// asUser returns a start by which zombied belongs to a user without privileges.
// That user need not be able to reach the program: it is opened beforehand.
func asUser(s *bench.Site) (daemon.Starter, error) {
	program, err := os.Open(s.Lab.Zombied)
	if err != nil {
		return nil, err
	}
	s.Cleanup(func(context.Context) error { return program.Close() })
	return func(cmd *exec.Cmd) error {
		cmd.ExtraFiles = append(cmd.ExtraFiles, program)
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: aUser, Gid: aUser}
		return s.Start(cmd)
	}, nil
}
