package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/bench/wait"
	"zombench/measure"
	"zombench/results"
)

// A Site is one trial at work: a fresh cgroup of a lab, readings of a quiet
// kernel, and the result that is made there.
//
// Its methods are not safe for concurrent use.
type Site struct {
	Lab    *Lab
	Result results.Trial // what becomes the trial's record

	watch   Progress
	cgroup  *cgroup.Cgroup // nil without cgroups
	sampler sampler
	cleanup []func(context.Context) error // run in reverse order when the trial is over
	own     map[int]bool                  // children that somebody waits for
	begun   time.Time
	samples []moment
	fault   string
}

// A moment is a sample and when in its trial it was taken.
type moment struct {
	when string
	Sample
}

// A brokenError is why a trial does not count.
type brokenError struct{ why string }

func (e *brokenError) Error() string { return e.why }

// Brokenf makes the error of a trial in which an invariant does not hold: it is
// recorded with the reason, excluded from the statistics, and the run goes on.
func Brokenf(format string, args ...any) error { return &brokenError{fmt.Sprintf(format, args...)} }

// newSite makes the site of a setup's next trial.
func (l *Lab) newSite(setup Setup, watch Progress) (*Site, error) {
	s := &Site{
		Lab: l, watch: watch, begun: time.Now(), own: map[int]bool{l.janitor.Pid(): true},
		Result: results.Trial{Bench: setup.Bench, Params: slices.Clone(setup.Params), Control: setup.Control, N: max(setup.Army.Zombies, 1)},
	}
	l.trials++
	if l.place != nil {
		var err error
		if s.cgroup, err = l.place.Fresh(strconv.Itoa(l.trials)); err != nil {
			return nil, err
		}
	}
	s.sampler = sampler{fs: l.FS, release: measure.Release(l.Machine.Kernel), instruments: l.Instruments, cgroup: s.cgroup}
	for _, i := range []int{meminfo, slabinfo} {
		s.sampler.instruments.List[i].Err = errSystemWide
	}
	return s, nil
}

// errSystemWide is why a site leaves an instrument alone.
var errSystemWide = errors.New("tells of the whole system")

// ReadSystem makes the site read what tells of the whole system too, where the
// lab can, and follow who looks at its zombies.
func (s *Site) ReadSystem() {
	s.Lab.follow()
	s.sampler.instruments, s.sampler.tracker = s.Lab.Instruments, s.Lab.tracker
}

// Looked keeps who looked at an army since ReadSystem: those who made an inode
// below /proc for at least every fourth of n zombies.
func (s *Site) Looked(n int) {
	if s.sampler.tracker == nil || n == 0 {
		return
	}
	var err error
	if s.Result.Watchers, err = s.sampler.tracker.Watchers(max(4, uint64(n)/4)); err != nil {
		s.Note("who looked is not known: %v", err)
	}
}

// Disturbers says who forked and who looked at the army since ReadSystem, a phrase
// each; none if nobody did, or that is not known.
func (s *Site) Disturbers() (forked, looked []string) {
	if t := s.sampler.tracker; t != nil {
		for _, name := range t.Forkers() {
			forked = append(forked, name+" forked")
		}
	}
	for _, w := range s.Result.Watchers {
		looked = append(looked, w.Name()+" looked")
	}
	slices.Sort(looked)
	return forked, looked
}

// ReadCgroups makes the site read the kernel memory of the cgroup above the
// trial's too, and which cgroups are dying.
func (s *Site) ReadCgroups() { s.sampler.cgroups = true }

// Dying counts the cgroups that were removed and are still there.
func (s *Site) Dying() (uint64, error) { return s.cgroup.Dying(s.Lab.FS) }

// Again forgets what was read and warned of: the trial begins anew.
func (s *Site) Again() { s.samples, s.Result.Warnings = nil, nil }

// Doing says what the trial is at.
func (s *Site) Doing(what string) { s.watch.Doing(what) }

// Put adds a value to the result.
func (s *Site) Put(unit string, value float64) {
	s.Result.Values = append(s.Result.Values, results.Value{Unit: unit, Value: value})
}

// Note adds a free comment to the result.
func (s *Site) Note(format string, args ...any) {
	s.Result.Notes = append(s.Result.Notes, fmt.Sprintf(format, args...))
}

// Warn flags the result: it counts, and says what may be wrong with it.
func (s *Site) Warn(format string, args ...any) {
	s.Result.Warnings = append(s.Result.Warnings, fmt.Sprintf(format, args...))
}

// Fault says that the trial is fine and what it tested is not: the run will
// fail.
func (s *Site) Fault(format string, args ...any) {
	s.fault = fmt.Sprintf(format, args...)
	s.Note("fault: %s", s.fault)
}

// Cleanup has f called when the trial is over, however it ended, before the
// cgroup is removed; what was registered last comes first.
func (s *Site) Cleanup(f func(context.Context) error) { s.cleanup = append(s.cleanup, f) }

// Join makes the cgroup in a further hierarchy, for programs that are started
// from then on, and returns its directory there.
func (s *Site) Join(h measure.Hierarchy) (string, error) {
	if s.cgroup == nil {
		return "", errors.New("there is no cgroup that could join a hierarchy")
	}
	if err := s.Lab.lock.RecordParent(cgroup.Parent{Dir: h.Dir(), Version: h.Version}); err != nil {
		return "", err
	}
	return s.cgroup.Join(h)
}

// Start starts a program in the cgroup, from its first instruction.
func (s *Site) Start(cmd *exec.Cmd) error {
	if s.cgroup == nil {
		return cmd.Start()
	}
	return s.cgroup.Start(cmd)
}

// Beside is a second cgroup of a trial, for those who are not of the army.
type Beside struct {
	cgroup  *cgroup.Cgroup
	sampler sampler
}

// Beside makes one. It is removed with the trial.
func (s *Site) Beside() (*Beside, error) {
	cg, err := s.Lab.place.Fresh(fmt.Sprintf("%d-beside", s.Lab.trials))
	if err != nil {
		return nil, err
	}
	s.Cleanup(cg.Remove)
	b := &Beside{cg, s.sampler}
	b.sampler.cgroup = cg
	return b, nil
}

// Start starts a program there, from its first instruction.
func (b *Beside) Start(cmd *exec.Cmd) error { return b.cgroup.Start(cmd) }

// Kmem reads its kernel memory in bytes, nil where that cannot be measured.
func (b *Beside) Kmem() (*uint64, error) { return b.sampler.kmem() }

// Zombied starts a zombied in the cgroup, held: it has no child yet. It is
// stopped with the trial.
func (s *Site) Zombied(ctx context.Context, o daemon.Options) (*daemon.Daemon, error) {
	return s.ZombiedBy(ctx, s.Start, o)
}

// ZombiedBy is Zombied with a start of the caller's own, which calls Start. A dress
// that this kernel or user cannot have is measure.ErrNotSupported or
// measure.ErrNotPermitted.
func (s *Site) ZombiedBy(ctx context.Context, start daemon.Starter, o daemon.Options) (*daemon.Daemon, error) {
	s.Doing("starting zombied")
	o.Binary, o.Program = s.Lab.Zombied, s.Lab.Program
	d, err := daemon.Start(ctx, start, o)
	if err != nil {
		return nil, refusal(err)
	}
	s.Cleanup(func(ctx context.Context) error {
		err := d.Stop(ctx)
		if _, dead := errors.AsType[*daemon.ExitError](err); dead && s.Result.Broken != "" {
			return nil // it broke the trial by ending: said already
		}
		return err
	})
	return d, nil
}

// Raise has a zombied raise its army. Whether all of it came about, Complete
// tells.
func (s *Site) Raise(ctx context.Context, d *daemon.Daemon) (daemon.Report, error) {
	s.Doing("raising")
	start := time.Now()
	raised, err := d.Raise(ctx, s.army)
	if took := time.Since(start); err == nil && !s.Lab.emulated && clocksDiffer(raised.Spawn, took) {
		s.Warn("zombied's clock says that raising took %v, and this one says %v", raised.Spawn.Round(time.Millisecond), took.Round(time.Millisecond))
	}
	return raised, err
}

// clocksDiffer reports whether the time that zombied gives cannot be part of the
// time that passed here, or leaves more of it out than the order and the answer
// take on a busy machine.
func clocksDiffer(spawn, took time.Duration) bool {
	return spawn > took || took-spawn > max(took/4, 250*time.Millisecond)
}

// Complete checks that an army of count was raised.
func Complete(raised daemon.Report, count int) error {
	if raised.Standing == count {
		return nil
	}
	why := raised.Error
	if why == "" {
		why = "zombied gives no reason"
	}
	return Brokenf("%d of %d zombies were raised: %s", raised.Standing, count, why)
}

// Reap has a zombied collect its army.
func (s *Site) Reap(ctx context.Context, d *daemon.Daemon) (daemon.Report, error) {
	s.Doing("reaping")
	return d.Reap(ctx, s.army)
}

func (s *Site) army(r daemon.Report) {
	if r.Phase == daemon.Raising || r.Phase == daemon.Reaping {
		s.Doing(fmt.Sprintf("%s, %d zombies", r.Phase, r.Standing))
	}
}

// Pids returns the cgroup's counter of tasks.
func (s *Site) Pids() measure.Pids { return s.cgroup.Pids() }

// Tasks returns how many tasks are charged to the cgroup, zombies among them.
func (s *Site) Tasks() (int, error) {
	n, err := s.Pids().Current()
	return int(n), err
}

// Procs lists the living processes in the cgroup.
func (s *Site) Procs() ([]int, error) { return s.cgroup.Procs() }

// Zombies returns how many of the tasks in the cgroup are none of its living
// processes. A process that comes about meanwhile is not among them.
func (s *Site) Zombies() (int, error) {
	zombies, err := s.Tasks()
	if err != nil {
		return 0, err
	}
	living, err := s.Procs()
	for _, pid := range living {
		if process, err := s.Lab.FS.Process(pid); err == nil {
			zombies -= process.Threads
		}
	}
	return max(zombies, 0), err
}

// Memory returns the cgroup's accounting of memory; false if there is none.
func (s *Site) Memory() (measure.Memcg, bool) { return s.cgroup.Memory() }

// Kmem reads the cgroup's kernel memory in bytes at once, nil where that cannot
// be measured.
func (s *Site) Kmem() (*uint64, error) { return s.sampler.kmem() }

// settlePerZombie is how much longer the kernel may take to settle for each
// zombie: a million are freed in some seconds.
const settlePerZombie = 10 * time.Microsecond

// Settle reads until the kernel is quiet, and if reached is not nil until it
// accepts a reading, and keeps what it read under the name of the moment. What
// was still moving when time ran out becomes a warning.
func (s *Site) Settle(ctx context.Context, when string, reached func(Sample) bool) (Sample, error) {
	return s.settle(ctx, when, s.Lab.Settling, reached)
}

func (s *Site) settle(ctx context.Context, when string, settling Settling, reached func(Sample) bool) (Sample, error) {
	s.Doing("settling: " + when)
	settling.Within += time.Duration(s.Result.N) * settlePerZombie
	from := time.Since(s.begun)
	sample, restless, err := s.Lab.settle(ctx, s.sampler, settling, reached)
	if err != nil {
		return sample, fmt.Errorf("sampling (%s): %w", when, err)
	}
	if restless != "" {
		s.Warn("%s did not settle within %v (%s)", restless, settling.Within.Round(100*time.Millisecond), when)
	}
	sample.From, sample.At = from, time.Since(s.begun)
	s.samples = append(s.samples, moment{when, sample})
	return sample, nil
}

// SettleBack is Settle until everything is back where it was before.
func (s *Site) SettleBack(ctx context.Context, when string, before Sample) (Sample, error) {
	return s.Settle(ctx, when, func(now Sample) bool { return s.Lab.Returned(before, now) == "" })
}

// SettleCgroup is SettleBack for the cgroup alone: what others do to the slab caches
// meanwhile is not waited for.
func (s *Site) SettleCgroup(ctx context.Context, when string, before Sample) (Sample, error) {
	settling := s.Lab.Settling
	settling.Cgroup = before.Kmem != nil
	return s.settle(ctx, when, settling, func(now Sample) bool { return s.Lab.Returned(before, now) == "" })
}

// Await looks every so often until something holds.
func (s *Site) Await(ctx context.Context, what string, every time.Duration, holds func() (bool, error)) error {
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		if wait.Sleep(ctx, every) != nil {
			return Brokenf("waited in vain: %s: %v", what, context.Cause(ctx))
		}
	}
}

// Collect collects orphans that came to this process, as long as anything is
// left in the cgroup.
func (s *Site) Collect(ctx context.Context) (int, error) {
	return daemon.CollectOrphans(ctx, s.own, func() bool {
		if s.cgroup == nil {
			return false
		}
		n, err := s.Tasks()
		return err == nil && n > 0
	})
}

// CollectSome collects up to n dead orphans that came to this process, and
// returns how many there were.
func (s *Site) CollectSome(n int) (collected int, err error) {
	children, err := s.Lab.FS.Children(os.Getpid())
	if err != nil {
		return 0, err
	}
	for _, pid := range children {
		if collected == n {
			break
		}
		if s.own[pid] {
			continue
		}
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && got == pid {
			collected++
		}
	}
	return collected, nil
}

// cleanupTime bounds what is done to leave nothing behind after a trial.
const cleanupTime = 10 * time.Second

// close runs the cleanups, collects what was left and removes the cgroup.
func (s *Site) close(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(s.cleanup) {
		errs = append(errs, f(ctx))
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	_, err := s.Collect(ctx)
	errs = append(errs, err)
	if s.cgroup != nil {
		errs = append(errs, s.cgroup.Remove(ctx))
	}
	return errors.Join(errs...)
}

// trial runs one trial of a setup and returns its record. An army that was not
// what it should have been makes a broken trial; an error is for what would
// spoil the following trials too. In either case nothing of the trial is left
// running or standing.
func (l *Lab) trial(ctx context.Context, setup Setup, watch Progress) (result results.Trial, fault string, err error) {
	if ctx.Err() != nil {
		return result, "", context.Cause(ctx)
	}
	s, err := l.newSite(setup, watch)
	if err != nil {
		return result, "", err
	}
	defer func() {
		err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		result, fault = s.Result, s.fault
	}()
	err = setup.Run(ctx, s)
	broken, isBroken := errors.AsType[*brokenError](err)
	exit, isExit := errors.AsType[*daemon.ExitError](err)
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx) // what else went wrong comes of that
	case isBroken:
		s.Result.Broken, err = broken.why, nil
	case isExit:
		s.Result.Broken, err = exit.Error(), nil
	}
	if l.emulated {
		measured := len(s.Result.Values)
		s.Result.Values = slices.DeleteFunc(s.Result.Values, func(v results.Value) bool { return isTime(v.Unit) })
		if err == nil && s.Result.Broken == "" && measured > 0 && len(s.Result.Values) == 0 {
			err = fmt.Errorf("it measures nothing but time, which means nothing under emulation: %w", measure.ErrNotSupported)
		}
	}
	s.Result.Readings = readings(s.samples, s.Result.N)
	return s.Result, s.fault, err
}
