package bench

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"zombench/bench/coproc"
	"zombench/bench/daemon"
	"zombench/bench/wait"
)

// Steps are a trial as the steps that it takes: a Site that keeps its first error,
// as a bufio.Writer does. From then on steps do nothing and return zeros.
type Steps struct {
	*Site
	Ctx context.Context // of this trial
	Err error           // the first
}

// Stepwise makes the Run of a Setup from what takes steps.
func Stepwise(run func(*Steps)) func(context.Context, *Site) error {
	return func(ctx context.Context, s *Site) error {
		steps := &Steps{Site: s, Ctx: ctx}
		run(steps)
		return steps.Err
	}
}

// Within makes a Run that is given up after a while.
func Within(patience time.Duration, run func(context.Context, *Site) error) func(context.Context, *Site) error {
	return func(ctx context.Context, s *Site) error {
		ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the trial was given up after %v", patience))
		defer cancel()
		return run(ctx, s)
	}
}

// Step takes a step.
func (s *Steps) Step(do func() error) {
	if s.Err == nil {
		s.Err = do()
	}
}

// Check breaks the trial if something does not hold.
func (s *Steps) Check(holds bool, format string, args ...any) {
	if s.Err == nil && !holds {
		s.Err = Brokenf(format, args...)
	}
}

// Put adds a value to the result.
func (s *Steps) Put(unit string, value float64) {
	if s.Err == nil {
		s.Site.Put(unit, value)
	}
}

// PutChange adds what a reading has changed by, divided by n; nothing if it was not
// taken.
func (s *Steps) PutChange(unit string, before, after *uint64, n int) {
	if change, ok := Change(before, after); ok {
		s.Put(unit, change/float64(n))
	}
}

// Note adds a free comment to the result.
func (s *Steps) Note(format string, args ...any) {
	if s.Err == nil {
		s.Site.Note(format, args...)
	}
}

// Settle reads until the kernel is quiet.
func (s *Steps) Settle(when string) (sample Sample) {
	s.Step(func() (err error) { sample, err = s.Site.Settle(s.Ctx, when, nil); return err })
	return sample
}

// SettleBack is Settle until everything is back where it was before.
func (s *Steps) SettleBack(when string, before Sample) (sample Sample) {
	s.Step(func() (err error) { sample, err = s.Site.SettleBack(s.Ctx, when, before); return err })
	return sample
}

// Returned breaks the trial if not everything has come back to where it was before.
func (s *Steps) Returned(before, now Sample) {
	s.Step(func() error {
		if why := s.Lab.Returned(before, now); why != "" {
			return Brokenf("%s", why)
		}
		return nil
	})
}

// Tasks counts the tasks in the trial's cgroup, the living and zombies.
func (s *Steps) Tasks() (n int) {
	s.Step(func() (err error) { n, err = s.Site.Tasks(); return err })
	return n
}

// Coproc starts a program as a coprocess in the cgroup, which is closed with the
// trial; nil if that failed.
func (s *Steps) Coproc(cmd *exec.Cmd) (p *coproc.Process) {
	s.Step(func() (err error) {
		if p, err = coproc.Start(s.Ctx, s.Start, cmd); err == nil {
			s.Cleanup(func(context.Context) error { return p.Close() })
		}
		return err
	})
	return p
}

// Ask gives a coprocess an order and returns its answer.
func (s *Steps) Ask(p *coproc.Process, order string) (answer string) {
	s.Step(func() (err error) { answer, err = p.Ask(order); return err })
	return answer
}

// AwaitZombies waits until there are count zombies in the cgroup. That no more come
// about breaks the trial.
func (s *Steps) AwaitZombies(count int) {
	const patience = 10 * time.Second // without a further one
	for zombies := 0; s.Err == nil && zombies != count; {
		last := zombies
		more := s.WaitFor(patience, time.Millisecond, func() (_ bool, err error) {
			zombies, err = s.Zombies()
			return zombies != last, err
		})
		s.Check(more, "%d zombies came about, not %d", zombies, count)
	}
}

// Zombied starts a zombied, held; nil if that failed.
func (s *Steps) Zombied(o daemon.Options) (d *daemon.Daemon) {
	s.Step(func() (err error) { d, err = s.Site.Zombied(s.Ctx, o); return err })
	return d
}

// Raise has a zombied raise its army, as far as it can.
func (s *Steps) Raise(d *daemon.Daemon) (r daemon.Report) {
	s.Step(func() (err error) { r, err = s.Site.Raise(s.Ctx, d); return err })
	return r
}

// RaiseAll has a zombied raise its army of count. That not all of it came about
// breaks the trial.
func (s *Steps) RaiseAll(d *daemon.Daemon, count int) {
	r := s.Raise(d)
	s.Step(func() error { return Complete(r, count) })
}

// Reap has a zombied collect its army.
func (s *Steps) Reap(d *daemon.Daemon) (r daemon.Report) {
	s.Step(func() (err error) { r, err = s.Site.Reap(s.Ctx, d); return err })
	return r
}

// WaitFor looks every so often until something holds, but no longer than patience,
// and reports whether it did.
func (s *Steps) WaitFor(patience, every time.Duration, holds func() (bool, error)) (held bool) {
	s.Step(func() (err error) {
		for until := time.Now().Add(patience); time.Now().Before(until); {
			if held, err = holds(); held || err != nil {
				return err
			}
			if err := wait.Sleep(s.Ctx, every); err != nil {
				return err
			}
		}
		return nil
	})
	return held
}

// Sleep lets time pass.
func (s *Steps) Sleep(d time.Duration) {
	s.Step(func() error { return wait.Sleep(s.Ctx, d) })
}
