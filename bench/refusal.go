package bench

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"zombench/bench/daemon"
	"zombench/measure"
)

// The exit statuses by which zombied says that it cannot have a dress.
const (
	exitNoSuch     = 3
	exitNotAllowed = 4
)

// refusal gives the error of a zombied that did not start its kind.
func refusal(err error) error {
	ended, ok := errors.AsType[*daemon.ExitError](err)
	if !ok {
		return err
	}
	status, ok := errors.AsType[*exec.ExitError](ended.Err)
	if !ok {
		return err
	}
	why := strings.TrimPrefix(ended.Log, "zombied: ")
	switch status.ExitCode() {
	case exitNoSuch:
		return fmt.Errorf("%s: %w", why, measure.ErrNotSupported)
	case exitNotAllowed:
		return fmt.Errorf("%s: %w", why, measure.ErrNotPermitted)
	}
	return err
}
