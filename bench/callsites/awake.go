package callsites

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"zombench/bench/cpus"
)

// keepAwake keeps the CPUs that this process may use from idling, each by a thread of
// its own that spins there, until stop is called. On some machines perf records nothing
// in the idle task of a CPU, and there RCU frees what it is handed: a reaped task, say.
func keepAwake() (stop func() error, err error) {
	all, err := cpus.Allowed()
	if err != nil {
		return nil, err
	}
	var enough atomic.Bool
	var spinning sync.WaitGroup
	errs := make([]error, len(all))
	for i, cpu := range all {
		spinning.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			giveBack, err := cpus.Borrow(cpu)
			if err != nil {
				errs[i] = err
				return
			}
			for !enough.Load() {
			}
			errs[i] = giveBack()
		})
	}
	return func() error {
		enough.Store(true)
		spinning.Wait()
		return errors.Join(errs...)
	}, nil
}
