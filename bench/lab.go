package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/bench/janitor"
	"zombench/measure"
	"zombench/measure/limits"
)

// A Lab is where trials are run: the machine, what there is to measure with,
// and a place for fresh cgroups.
type Lab struct {
	FS          measure.FS
	Machine     measure.Machine
	Instruments Instruments
	Settling    Settling     // when the kernel counts as quiet
	Zombied     string       // path of the daemon
	DaemonArgs  []string     // further arguments for it
	Doing       func(string) // told what the trial is at; may be nil
	Notices     []string     // what was found and done while opening, for people

	init    []string
	lock    *janitor.Lock
	janitor *janitor.Janitor
	place   *cgroup.Place // nil: no cgroups to be had
	trials  int           // so far: cgroups are never reused, nor are their names
}

// Options say how a lab is opened.
type Options struct {
	FS       measure.FS
	Zombied  string   // path of the daemon
	LockPath string   // of the lock under which only one run works at a time
	Janitor  []string // arguments with which this program becomes the janitor: its main calls janitor.Main with those behind them
	Init     []string // the same for the init of a pid namespace, and pidns.Main
}

// Open makes a lab of this machine. It takes the lock, starts the janitor
// that clears up if this process is killed, clears up what earlier runs have
// left, and finds out what can be measured; what cannot is no error.
func Open(ctx context.Context, o Options) (_ *Lab, err error) {
	l := &Lab{FS: o.FS, Zombied: o.Zombied, init: o.Init}
	if l.Machine, err = o.FS.Machine(); err != nil {
		return nil, err
	}
	if err := daemon.BecomeSubreaper(); err != nil {
		return nil, err
	}
	if l.lock, err = janitor.Acquire(ctx, o.LockPath, o.FS); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.janitor, err = janitor.Start(l.lock, o.Janitor...); err != nil {
		return nil, err
	}
	search := cgroup.Search{FS: o.FS, With: []int{l.janitor.Pid()}, Record: l.lock.RecordParent}
	var placeErr error
	l.place, placeErr = search.Find()
	// Without a place too: what the journal holds is more than cgroups.
	cleared, clearErr := l.lock.ClearUp(ctx, l.CgroupParents()...)
	if clearErr != nil { // what could not be undone does not keep this run from measuring
		l.Notices = append(l.Notices, fmt.Sprintf("clearing up after an earlier run: %v", clearErr))
	}
	if !cleared.Empty() {
		l.Notices = append(l.Notices, cleared.String())
	}
	l.Instruments = Probe(o.FS, l.Machine, l.place, placeErr)
	l.Settling = l.settling()
	return l, nil
}

// Close gives back what Open took. The lab's trials have all ended.
func (l *Lab) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	var errs []error
	if l.place != nil {
		errs = append(errs, l.place.Close())
	}
	if l.janitor != nil {
		errs = append(errs, l.janitor.Finish(ctx))
	}
	return errors.Join(append(errs, l.lock.Close())...)
}

// own returns the children of this process that somebody waits for: they are
// no orphans.
func (l *Lab) own() map[int]bool { return map[int]bool{l.janitor.Pid(): true} }

// settling returns when the kernel counts as quiet with the instruments that
// there are.
func (l *Lab) settling() Settling {
	s := Settling{Every: 5 * time.Millisecond, Still: 4, Within: 2 * time.Second}
	if l.Machine.CPUs == 1 {
		// Here membarrier(2) returns at once: a task that runs proves that nothing
		// else does (kernel/sched/membarrier.c). What was given to RCU is freed some
		// timer ticks later all the same.
		s.Every, s.Within = 50*time.Millisecond, 4*time.Second
	}
	if l.Instruments.lazy {
		s.AtLeast, s.Within = 2200*time.Millisecond, 8*time.Second
	}
	return s
}

// CgroupKind says which kind of hierarchy the trials' cgroups are of: "v1",
// "v2", "hybrid", or "none".
func (l *Lab) CgroupKind() string {
	if l.place == nil {
		return "none"
	}
	return l.place.Kind()
}

// CgroupParents returns the directories in which the trials' cgroups are made.
func (l *Lab) CgroupParents() []string {
	if l.place == nil {
		return nil
	}
	return l.place.Dirs()
}

// AssumedBytes is what one zombie is taken to need when it is asked whether
// an army fits into memory: generous, since the true figure is not known
// before it was measured.
const AssumedBytes = 16 << 10

// SpareTasks is how many tasks a trial needs besides its zombies and the
// spawner threads: the daemon's spare threads and its runtime's own.
const SpareTasks = 32

// initTasks is how many tasks the init of a pid namespace may have.
const initTasks = 16

// query asks the limits for room for one army.
func (l *Lab) query(s Setup) limits.Query {
	q := limits.Query{
		Count:          uint64(s.Count),
		BytesPerZombie: AssumedBytes,
		ExtraTasks:     uint64(s.Parallel) + SpareTasks + uint64(s.pidNS())*initTasks,
	}
	if s.Spawn == "os-exec" {
		q.Descriptors = uint64(s.Count) // a pidfd each
	}
	return q
}

// Preflight reports the first limit of this machine that an army of the plan
// would meet, as a *limits.Error.
func (l *Lab) Preflight(p Plan) error {
	for _, s := range p.Setups() {
		q := l.query(s)
		found, err := limits.Read(l.FS, q)
		if err != nil {
			return fmt.Errorf("checking the limits: %w", err)
		}
		if err := q.Check(found); err != nil {
			return fmt.Errorf("an army of %d does not fit: %w", s.Count, err)
		}
	}
	return nil
}
