package bench

import (
	"context"
	"time"

	"zombench/bench/daemon"
)

// RaiseAll has a zombied raise its army of count. That not all of it came about
// breaks the trial.
func (s *Site) RaiseAll(ctx context.Context, d *daemon.Daemon, count int) (daemon.Report, error) {
	raised, err := s.Raise(ctx, d)
	if err == nil {
		err = Complete(raised, count)
	}
	return raised, err
}

// WaitFor looks every so often until something holds, but no longer than patience,
// and reports whether it did.
func WaitFor(ctx context.Context, patience, every time.Duration, holds func() (bool, error)) (bool, error) {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if ok, err := holds(); ok || err != nil {
			return ok, err
		}
		if err := Sleep(ctx, every); err != nil {
			return false, err
		}
	}
	return false, nil
}
