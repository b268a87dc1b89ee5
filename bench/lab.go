package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/bench/daemon/pidns"
	"zombench/bench/janitor"
	"zombench/bench/looks"
	"zombench/bench/reexec"
	"zombench/bench/tempdir"
	"zombench/measure"
)

// A Lab is a host on which trials are run: this run has it for itself, and
// whatever a trial leaves behind is cleared up.
type Lab struct {
	Host
	Zombied  string   // path of the daemon
	Program  string   // what its children execute, by zombied's name for it; "" is its own
	Settling Settling // when the kernel counts as quiet
	Notices  []string // what was found and done while opening, for people

	emulated bool
	lock     *janitor.Lock
	janitor  *janitor.Janitor
	trials   int             // so far: cgroups are never reused, nor are their names
	known    map[string]bool // slab caches that were described
	tracker  *looks.Tracker  // nil until somebody is followed, or if nobody can be
}

// Options say how a lab is opened.
type Options struct {
	FS       measure.FS
	Zombied  string // path of the daemon
	Program  string // what its children execute: a path; "" is its own
	LockPath string // of the lock under which only one run works at a time
	Emulated bool   // instructions are: readings are dear, and times mean nothing
}

// Programs are what this executable has to become for a lab.
func Programs() []reexec.Program {
	return []reexec.Program{janitor.Program(), pidns.Program(), pidns.KeeperProgram(), tempdir.Program()}
}

// Open makes a lab of this machine. It takes the lock, starts the janitor
// that clears up if this process is killed, clears up what earlier runs have
// left, and finds out what can be measured; what cannot is no error.
func Open(ctx context.Context, o Options) (_ *Lab, err error) {
	l := &Lab{Host: Host{FS: o.FS}, Zombied: o.Zombied, Program: o.Program, emulated: o.Emulated, known: make(map[string]bool)}
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
	if l.janitor, err = janitor.Start(l.lock); err != nil {
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
	if l.tracker != nil {
		l.tracker.Close()
	}
	errs := []error{l.Host.Close()}
	if l.janitor != nil {
		errs = append(errs, l.janitor.Finish(ctx))
	}
	return errors.Join(append(errs, l.lock.Close())...)
}

// follow begins anew to follow who looks at zombies, where that can be followed.
func (l *Lab) follow() {
	switch {
	case !l.Instruments.has(watchers):
	case l.tracker == nil:
		l.tracker, l.Instruments.List[watchers].Err = looks.Start(l.FS)
	default:
		l.tracker.Forget()
	}
}

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
	if l.emulated {
		s.Every, s.Still, s.Within = 100*time.Millisecond, 3, 30*time.Second
	}
	return s
}
