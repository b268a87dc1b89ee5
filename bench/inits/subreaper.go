package inits

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"zombench/bench/daemon"
	"zombench/bench/reexec"
)

// subreaperName is the argument zero of what makes itself a child subreaper and
// becomes a candidate.
const subreaperName = "zombench-subreaper"

// subreaperProgram is that, for main to dispatch. The attribute is kept across
// execve (PR_SET_CHILD_SUBREAPER, prctl(2)).
func subreaperProgram() reexec.Program {
	return reexec.Program{Name: subreaperName, Main: reexec.Reporting("zombench", 126, becomeSubreaper)}
}

func becomeSubreaper(args []string) error {
	if len(args) == 0 {
		return errors.New("no program to become")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := daemon.BecomeSubreaper(); err != nil {
		return err
	}
	return fmt.Errorf("becoming %s: %w", path, syscall.Exec(path, args, os.Environ()))
}
