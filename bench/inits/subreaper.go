package inits

import (
	"zombench/bench/daemon"
	"zombench/bench/reexec"
)

// subreaperName is the argument zero of what makes itself a child subreaper and
// becomes a candidate. The attribute is kept across execve (PR_SET_CHILD_SUBREAPER,
// prctl(2)).
const subreaperName = "zombench-subreaper"

// subreaperProgram is that, for main to dispatch.
func subreaperProgram() reexec.Program {
	return reexec.Becoming(subreaperName, 0, func([]string) error { return daemon.BecomeSubreaper() })
}
