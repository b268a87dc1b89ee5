package reaping

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"zombench/bench"
	"zombench/bench/reaping/parent"
)

// The units of Exhaust. At how many zombies no further one could be had is in
// one of its own for each error, such as zombies-at-EAGAIN.
const (
	UnitAt       = "zombies-at-"
	UnitRefused  = "bystanders-refused" // processes under the same limit that cannot fork either
	UnitKilled   = "killed"             // by the OOM killer
	UnitRecovers = "forks-after-reap"   // that work again
	UnitStood    = "zombies"            // of a control
)

// exhaustSetups are the limits that an army can meet.
func exhaustSetups(p plan) []bench.Setup {
	var setups []bench.Setup
	for _, m := range []method{
		{"pids.max", "zombies fill their cgroup's pids.max", false, exhaustPidsMax},
		{"nproc", "zombies fill their user's RLIMIT_NPROC", false, exhaustNProc},
		{"pid_max", "zombies fill the pid_max of their pid namespace", false, exhaustPidMax},
		{"memory.max", "zombies fill their cgroup's memory.max", false, exhaustMemory},
		{"unlimited", "no limit is in the way of as many", true, exhaustNothing},
	} {
		run := m.run
		m.run = func(t *trial, p plan) {
			var before [2]string
			t.Step(func() (err error) { before, err = t.machineLimits(); return err })
			run(t, p)
			after, err := t.machineLimits()
			if err == nil && before[0] != "" && before != after {
				t.Err = fmt.Errorf("the machine's own limits have changed from %v to %v", before, after)
			}
		}
		setups = append(setups, m.setup(p, Exhaust, "limit", p.count, p.army()...))
	}
	return setups
}

// machineLimits are the limits of the whole machine, which no trial may touch.
func (t *trial) machineLimits() (limits [2]string, err error) {
	for i, name := range []string{"kernel.pid_max", "kernel.threads-max"} {
		if limits[i], err = t.Lab.FS.Sysctl(name); err != nil {
			return limits, err
		}
	}
	return limits, nil
}

// A limitTest is a parent that raises an army under a limit, and a bystander: a
// process that has nothing to do with the army but is under the same limit.
type limitTest struct {
	*trial
	parent, bystander *parent.Client
}

func (t *trial) limitTest(p plan, o parent.Options) *limitTest {
	o.Parallel = p.parallel
	pt := t.start(o)
	bystander := t.spawn(pt, parent.Order{})
	t.order(bystander, parent.Order{Do: parent.Try})
	return &limitTest{t, pt, bystander}
}

// run raises more than fits and checks that raising ends as it has to: after
// exactly as many as the limit leaves room for, with EAGAIN, for the bystander
// too, and for nobody who is not under the limit. Then the army is reaped, and
// forks work again.
func (l *limitTest) run(room int) {
	l.Doing("raising")
	r := l.ask(l.parent, parent.Order{Do: parent.Raise, Count: 2*room + 100})
	l.Check(r.Error != "", "%d children were started and the limit was not met", r.Standing)
	l.Put(UnitAt+r.Error, float64(r.Standing))
	l.Check(r.Standing == room && r.Error == "EAGAIN", "fork failed with %s at %d zombies; want EAGAIN at %d", r.Error, r.Standing, room)
	try := l.ask(l.bystander, parent.Order{Do: parent.Try})
	l.Check(try.Error == r.Error, "a bystander under the same limit gets %q from fork; want %s", try.Error, r.Error)
	l.Put(UnitRefused, 1)
	l.Step(func() error {
		if err := exec.CommandContext(l.Ctx, "true").Run(); err != nil {
			return fmt.Errorf("starting a process that is not under the limit: %w", err)
		}
		return nil
	})

	l.Doing("reaping")
	collected := l.order(l.parent, collectEach)
	l.Check(collected.Ended == r.Standing, "%d of %d zombies were reaped", collected.Ended, r.Standing)
	for _, who := range []*parent.Client{l.bystander, l.parent} {
		try = l.ask(who, parent.Order{Do: parent.Try})
		l.Check(try.Error == "", "fork fails after the reap too: %s", try.Error)
	}
	l.Put(UnitRecovers, 2)
}

// setLimit writes a limit of a cgroup of the trial's.
func setLimit(dir, file string, value int) error {
	err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(value)), 0)
	if err != nil {
		return fmt.Errorf("limiting the trial's cgroup: %w", err)
	}
	return nil
}

// exhaustNothing is the control: without a limit the same army is raised.
func exhaustNothing(t *trial, p plan) {
	l := t.limitTest(p, parent.Options{})
	l.Put(UnitStood, float64(l.raise(l.parent, 2*p.count+100).Standing))
	l.order(l.bystander, parent.Order{Do: parent.Try})
}
