package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"zombench/cmd/zombied/internal/army"
	"zombench/cmd/zombied/internal/daemonize"
	"zombench/cmd/zombied/internal/dress"
	"zombench/cmd/zombied/internal/notify"
	"zombench/measure"
)

// A phase is what the daemon is doing.
type phase string

const (
	preparing phase = "preparing" // starting threads; nobody is told
	held      phase = "held"      // ready, without zombies
	raising   phase = "raising"   // starting children
	standing  phase = "standing"  // every child has been seen dead
	reaping   phase = "reaping"   // collecting
	reaped    phase = "reaped"    // as held, after an army
)

// waits reports whether the daemon has done what it was told and waits for
// orders.
func (p phase) waits() bool { return p == held || p == standing || p == reaped }

// progressEvery is the pace of messages while raising and reaping.
const progressEvery = 200 * time.Millisecond

// A daemon keeps an army and follows orders. All of its state belongs to the
// goroutine in run; preparing, raising and reaping go on beside it, so that an
// order is followed at once whatever is being done.
type daemon struct {
	options   startOptions
	limits    *limitWatch
	log       *slog.Logger
	socket    *notify.Socket
	readiness *daemonize.Readiness // nil in the foreground
	orders    <-chan os.Signal
	sigchld   <-chan os.Signal // nil: a SIGCHLD changes nothing
	lifeline  <-chan struct{}

	phase     phase
	army      *army.Army         // nil while preparing
	dressed   *dress.Spawner     // of the army; nil if its children wear nothing
	hold      bool               // raise nothing before an order
	ready     bool               // those who wait for it have been told
	shortfall error              // why less than the whole army stands
	reapNext  bool               // the raise was cancelled by an order to reap
	leaving   bool               // exit when reaped
	cancel    context.CancelFunc // stops the raise
}

// receiveOrders starts to receive the signals that the daemon follows. Before
// this, they would end it.
func receiveOrders() <-chan os.Signal {
	orders := make(chan os.Signal, 64)
	signal.Notify(orders, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup(1)
		signal.Notify(orders, syscall.SIGHUP)
	}
	return orders
}

// run follows orders until one of them, or the end of the lifeline, ends the
// daemon. The zombies that still stand then are left to the daemon's reaper.
func (d *daemon) run() error {
	d.phase = preparing
	d.hold = d.options.hold
	type preparation struct {
		army *army.Army
		err  error
	}
	prepared := make(chan preparation, 1)
	raised := make(chan army.Raised, 1)
	collected := make(chan army.Reaped, 1)
	go func() {
		a, err := d.prepare()
		prepared <- preparation{a, err}
	}()
	raise := func() {
		ctx, cancel := context.WithCancel(context.Background())
		d.cancel = cancel
		d.shortfall = nil
		d.enter(raising)
		go func() { raised <- d.army.Raise(ctx) }()
	}
	reap := func() {
		d.enter(reaping)
		go func() { collected <- d.army.Reap() }()
	}

	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	for {
		select {
		case p := <-prepared:
			if p.err != nil {
				return p.err
			}
			d.army = p.army
			switch {
			case d.leaving:
				return nil
			case d.hold:
				d.enter(held)
			default:
				raise()
			}

		case sig := <-d.orders:
			switch {
			case sig == syscall.SIGHUP && d.readiness != nil:
				d.log.Info("ignoring the signal", "signal", sig.String())
			case sig == syscall.SIGUSR1 && d.phase == preparing:
				d.hold = false
			case sig == syscall.SIGUSR1 && (d.phase == held || d.phase == reaped):
				raise()
			case sig == syscall.SIGUSR1:
				d.log.Warn("ignoring SIGUSR1", "phase", d.phase)
			case sig == syscall.SIGUSR2 && d.phase == preparing:
				d.hold = true
			case sig == syscall.SIGUSR2 && d.phase == raising:
				d.reapNext = true
				d.cancel()
			case sig == syscall.SIGUSR2 && d.phase.waits():
				reap()
			case sig == syscall.SIGUSR2:
				d.log.Info("ignoring SIGUSR2: already reaping")
			default:
				left, _ := d.tally()
				d.log.Info("stopping", "signal", sig.String(), "left to init", left)
				d.heard(d.socket.Send("STOPPING=1"))
				if d.readiness != nil && !d.ready {
					return fmt.Errorf("stopped before it was ready (%s)", sig)
				}
				return nil
			}

		case <-d.sigchld:
			if d.phase != standing {
				break
			}
			d.log.Info("received SIGCHLD: reaping")
			reap()

		case <-d.lifeline:
			d.lifeline = nil
			d.log.Info("the lifeline was closed: reaping and exiting")
			d.leaving = true
			switch {
			case d.phase == raising:
				d.reapNext = true
				d.cancel()
			case d.phase.waits():
				reap()
			}

		case r := <-raised:
			d.cancel()
			if d.reapNext {
				d.reapNext = false
				reap()
			} else {
				d.stands(r)
			}

		case r := <-collected:
			d.collected(r)
			if d.leaving {
				d.heard(d.socket.Send("STOPPING=1"))
				return nil
			}

		case <-progress.C:
			if d.phase == raising || d.phase == reaping {
				d.heard(d.socket.Send(d.status()...))
			} else {
				d.heard(d.socket.Flush())
			}
		}
	}
}

// prepare does all that comes before the first zombie.
func (d *daemon) prepare() (*army.Army, error) {
	if err := d.limits.preflight(d.log); err != nil {
		return nil, err
	}
	spawner, err := d.newSpawner()
	if err != nil {
		return nil, err
	}
	a, err := army.New(army.Config{Count: d.options.count, Parallel: d.options.parallel, Spawner: spawner})
	if err != nil {
		return nil, d.limits.explain(err, d.options.count)
	}
	return a, nil
}

// stands is called when a raise has ended.
func (d *daemon) stands(r army.Raised) {
	lines := []string{field("SPAWN_NS", r.Elapsed.Nanoseconds())}
	if r.Err != nil {
		err := fmt.Errorf("%d of %d zombies created: %w", r.Standing, d.options.count, r.Err)
		d.shortfall = d.limits.explain(err, d.options.count-r.Standing)
		d.log.Error("not all zombies could be created", "err", d.shortfall)
		lines = append(lines, field("ERROR", d.shortfall))
	} else {
		d.log.Info("all zombies created", "zombies", r.Standing, "elapsed", r.Elapsed)
	}
	forgetSIGCHLD(d.sigchld) // every child is dead: no more will come of themselves
	d.enter(standing, lines...)
}

// collected is called when the army has been reaped.
func (d *daemon) collected(r army.Reaped) {
	if r.Lost > 0 {
		d.log.Error("some children were reaped by somebody else", "children", r.Lost)
	}
	d.log.Info("reaped", "exited", r.Exited, "killed", r.Killed, "dumped", r.Dumped,
		"signals", d.army.Signals(), "elapsed", r.Elapsed)
	d.enter(reaped,
		field("REAP_NS", r.Elapsed.Nanoseconds()),
		field("EXITED", r.Exited),
		field("KILLED", r.Killed),
		field("DUMPED", r.Dumped),
		field("SIGNALS", d.army.Signals()))
}

// enter begins a phase and tells of it. The first one that waits for orders
// makes the daemon ready.
func (d *daemon) enter(p phase, more ...string) {
	d.phase = p
	var lines []string
	if !d.ready && p.waits() {
		d.ready = true
		lines = append(lines, "READY=1", "MAINPID="+strconv.Itoa(os.Getpid()))
	}
	lines = append(lines, d.status()...)
	d.heard(d.socket.Post(append(lines, more...)...))
	if d.ready {
		d.release()
	}
}

// release lets the launcher return. It does nothing the second time.
func (d *daemon) release() {
	pid := os.Getpid()
	switch {
	case d.shortfall != nil && !d.options.force:
		d.readiness.Fail(fmt.Sprintf("%v; pid %d keeps them until zombied stop", d.shortfall, pid), exitFailed)
	case d.shortfall != nil:
		d.readiness.Ready(fmt.Sprintf("%v; pid %d keeps them", d.shortfall, pid))
	case d.phase == standing:
		created, _ := d.tally()
		d.readiness.Ready(fmt.Sprintf("%d zombies created; pid %d keeps them", created, pid))
	default:
		d.readiness.Ready(fmt.Sprintf("pid %d is ready; kill -USR1 %d creates %d zombies", pid, pid, d.options.count))
	}
}

// tally counts the zombies that stand, and the children that could not be started.
func (d *daemon) tally() (standing, failed int) {
	if d.army == nil {
		return 0, 0
	}
	return d.army.Tally()
}

// status is what each message tells.
func (d *daemon) status() []string {
	standing, failed := d.tally()
	lines := []string{
		fmt.Sprintf("STATUS=%s: %d of %d zombies", d.phase, standing, d.options.count),
		field("PHASE", d.phase),
		field("STANDING", standing),
		field("FAILED", failed),
	}
	self, err := measure.Host().Process(0)
	if err != nil {
		d.log.Warn("counting threads failed", "err", err)
		return lines
	}
	return append(lines, field("THREADS", self.Threads))
}

// field makes a line of the harness's protocol.
func field(key string, value any) string {
	return fmt.Sprintf("X_ZOMBENCH_%s=%v", key, value)
}

// heard logs what became of a message. That nobody listens is no reason to exit:
// whoever does not listen now may do so later.
func (d *daemon) heard(err error) {
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		d.log.Warn("sending the status failed", "err", err)
	}
}
