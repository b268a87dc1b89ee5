// Package army raises zombies and keeps them: it starts children that end by
// themselves, never collects them, and so holds one zombie for each.
//
// While an army stands, the process must hold nothing that grew with it but the
// zombies. So all threads, buffers and first-time costs are paid in New, before
// anybody measures: a Go program that forks in parallel would otherwise grow
// threads, and each of those is a task_struct and a pid of its own.
//
// It is not a process manager: it starts nothing that lives, knows one pid per
// child and nothing else, and never sends a signal (see Signal).
package army

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zombench/bench/threads"
	"zombench/bench/wait"

	"golang.org/x/sys/unix"
)

// Spares is the least number of idle threads that New leaves behind for the Go
// runtime: whenever a thread stays in a system call, the runtime wants another
// one to go on with. With fewer, an army of 900 was seen to take 902 pids.
const Spares = 8

// maxBatch is the largest batch of children that a thread takes at once. Batches
// keep the threads apart: no channel and no lock is touched for each child. It
// takes about a millisecond to raise one at best, so an order to stop is followed
// soon enough.
const maxBatch = 64

// A Config says which army to raise.
type Config struct {
	Count    int // zombies, 0 or more
	Parallel int // threads that start children at the same time, 1 or more
	Spawner  Spawner
}

// An Army is a number of zombies, raised, seen dead and collected by threads
// that belong to it for life. Raise and Reap must not be called at the same
// time; everything else may be called at any time.
type Army struct {
	spawner Spawner
	batch   int
	pids    []int32 // of each child not yet collected; 0 where there is none
	threads []*thread

	next    atomic.Int64 // index in pids of the first child that nobody has taken on
	stop    atomic.Bool  // no further child is to be started
	signals atomic.Int64

	mu  sync.Mutex
	err error // the first spawn that failed in this raise
}

// New starts the army's threads, lets each start and collect one child (which
// pays for everything that only the first child costs), and gives the runtime
// its spare threads. When it returns, the number of threads stays what it is.
func New(cfg Config) (*Army, error) {
	if cfg.Count < 0 || cfg.Parallel < 1 {
		return nil, fmt.Errorf("creating %d zombies on %d threads: want 0 or more, and 1 or more", cfg.Count, cfg.Parallel)
	}
	a := &Army{
		spawner: cfg.Spawner,
		// At least eight batches for each thread, so that none is left with
		// half of the work at the end.
		batch: min(max(cfg.Count/(cfg.Parallel*8), 1), maxBatch),
		pids:  make([]int32, cfg.Count),
	}
	cfg.Spawner.Prepare(cfg.Count)
	clear(a.pids) // touch it now: page tables are kernel memory too
	for range cfg.Parallel {
		a.threads = append(a.threads, startThread(cfg.Count/a.batch/cfg.Parallel))
	}
	if err := a.warmUp(); err != nil {
		a.Close()
		return nil, err
	}
	runtime.GC() // starts the collector's own workers
	threads.Reserve(Spares + runtime.GOMAXPROCS(0))
	threads.Settle()
	return a, nil
}

// warmUp lets each thread start and collect one child.
func (a *Army) warmUp() error {
	a.each(func(t *thread) {
		var pid [1]int32
		_, err := a.spawner.Spawn(pid[:])
		if err == nil {
			_, err = collect(int(pid[0]))
		}
		if err != nil {
			a.fail(err)
		}
	})
	a.spawner.Release()
	if err := a.takeErr(); err != nil {
		return fmt.Errorf("starting one child on each of %d threads: %w", len(a.threads), err)
	}
	return nil
}

// Close ends the army's threads. Its zombies stay.
func (a *Army) Close() {
	for _, t := range a.threads {
		close(t.orders)
	}
}

// Raised says how a raise went.
type Raised struct {
	Standing int           // zombies, each seen dead
	Failed   int           // children that could not be started
	Elapsed  time.Duration // from the first spawn to the last child seen dead
	Err      error         // why not all could be raised: a spawn that failed, or the context's error
}

// Raise starts the children and returns when each has been seen dead. It stops
// at once when ctx is done, and after the first child that cannot be started;
// what stands then keeps standing.
func (a *Army) Raise(ctx context.Context) Raised {
	a.next.Store(0)
	a.stop.Store(false)
	defer context.AfterFunc(ctx, func() { a.stop.Store(true) })()
	defer ignoreChildSignals()()

	start := time.Now()
	a.each(a.raiseOn)
	r := Raised{Elapsed: time.Since(start), Err: a.takeErr()}
	r.Standing, r.Failed = a.Tally()
	if r.Err == nil && r.Standing < len(a.pids) {
		r.Err = context.Cause(ctx)
	}
	return r
}

// raiseOn takes one batch after the other until none is left.
func (a *Army) raiseOn(t *thread) {
	atOnce := a.spawner.DieAtOnce()
	step := 1
	if atOnce {
		step = a.batch
	}
	defer a.see(t, true)
	for !a.stop.Load() {
		from := int(a.next.Add(int64(a.batch))) - a.batch
		if from >= len(a.pids) {
			return
		}
		batch := a.pids[from:min(from+a.batch, len(a.pids))]
		t.batches = append(t.batches, int32(from/a.batch))
		for len(batch) > 0 && !a.stop.Load() {
			n, err := a.spawner.Spawn(batch[:min(step, len(batch))])
			if err != nil {
				t.failed.Add(1)
				a.fail(err)
			}
			t.unseen = append(t.unseen, batch[:n])
			// Children that die at once need not be waited for before the
			// end. To sleep here would cost more than they do.
			a.see(t, !atOnce)
			batch = batch[n:]
		}
	}
}

// see counts the children of a thread that are dead, in the order of their
// birth. It waits for those that still live, or stops at the first of them.
func (a *Army) see(t *thread, patient bool) {
	done := 0
	defer func() { t.unseen = slices.Delete(t.unseen, 0, done) }()
	for ; done < len(t.unseen); done++ {
		pids := t.unseen[done]
		for i, pid := range pids {
			dead, err := isDead(int(pid), patient)
			switch {
			case err != nil:
				a.fail(fmt.Errorf("waiting for child %d to exit: %w", pid, err))
			case dead:
				t.standing.Add(1)
			default:
				t.unseen[done] = pids[i:]
				return
			}
		}
	}
}

// Reaped says how the children ended, by the si_code of waitid(2).
type Reaped struct {
	Exited, Killed, Dumped int
	Lost                   int // children that somebody else has collected
	Elapsed                time.Duration
}

// Reap collects every zombie of the army. A child that is still alive is
// waited for.
func (a *Army) Reap() Reaped {
	a.spawner.Release()
	start := time.Now()
	a.each(a.reapOn)
	r := Reaped{Elapsed: time.Since(start)}
	for _, t := range a.threads {
		r.Exited += t.ends.Exited
		r.Killed += t.ends.Killed
		r.Dumped += t.ends.Dumped
		r.Lost += t.ends.Lost
		t.ends = Reaped{}
		t.failed.Store(0)
	}
	return r
}

// reapOn collects the children of one thread in the order of their birth: so
// even a kernel that searches the thread's list of children for the pid (before
// Linux 5.13) finds it in the first place.
func (a *Army) reapOn(t *thread) {
	for _, b := range t.batches {
		from := int(b) * a.batch
		batch := a.pids[from:min(from+a.batch, len(a.pids))]
		for i, pid := range batch {
			if pid == 0 {
				continue
			}
			switch code, err := collect(int(pid)); {
			case err != nil:
				t.ends.Lost++
			case code == wait.Killed:
				t.ends.Killed++
			case code == wait.Dumped:
				t.ends.Dumped++
			default:
				t.ends.Exited++
			}
			batch[i] = 0
			t.standing.Add(-1)
		}
	}
	t.batches = t.batches[:0]
}

// Tally counts the zombies that stand now, and the spawns that failed since the
// last reaping.
func (a *Army) Tally() (standing, failed int) {
	for _, t := range a.threads {
		standing += int(t.standing.Load())
		failed += int(t.failed.Load())
	}
	return standing, failed
}

// Signal sends a signal to a child. It is the only way in which this program
// can signal a child, it counts, and nothing calls it: zombies need not be
// killed. The count is what the daemon reports, so that this is measured and
// not merely asserted.
func (a *Army) Signal(pid int, sig unix.Signal) error {
	a.signals.Add(1)
	return unix.Kill(pid, sig)
}

// Signals is the number of signals that were sent to children.
func (a *Army) Signals() int { return int(a.signals.Load()) }

// fail keeps the first error and stops the raise.
func (a *Army) fail(err error) {
	a.stop.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

func (a *Army) takeErr() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.err
	a.err = nil
	return err
}

// OutOfRoom reports whether a spawn failed because some limit was reached.
func OutOfRoom(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) ||
		errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
