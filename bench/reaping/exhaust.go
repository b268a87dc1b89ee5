package reaping

import (
	"cmp"
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
		m.run = func(t *trial, p plan) error {
			before, err := t.machineLimits()
			if err != nil {
				return err
			}
			err = run(t, p)
			after, err2 := t.machineLimits()
			if err2 == nil && before != after {
				return fmt.Errorf("the machine's own limits have changed from %v to %v", before, after)
			}
			return cmp.Or(err, err2)
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

func (t *trial) limitTest(p plan, o parent.Options) (*limitTest, error) {
	o.Parallel = p.parallel
	pt, err := t.start(o)
	if err != nil {
		return nil, err
	}
	bystander, err := pt.SpawnParent(t.ctx, parent.Order{})
	if err != nil {
		return nil, err
	}
	_, err = bystander.Must(t.ctx, parent.Order{Do: parent.Try})
	return &limitTest{t, pt, bystander}, err
}

// run raises more than fits and checks that raising ends as it has to: after
// exactly as many as the limit leaves room for, with EAGAIN, for the bystander
// too, and for nobody who is not under the limit. Then the army is reaped, and
// forks work again.
func (l *limitTest) run(room int) error {
	l.Doing("raising")
	r, err := l.parent.Do(l.ctx, parent.Order{Do: parent.Raise, Count: 2*room + 100})
	if err != nil {
		return err
	}
	if r.Error == "" {
		return bench.Brokenf("%d children were started and the limit was not met", r.Standing)
	}
	l.Put(UnitAt+r.Error, float64(r.Standing))
	if r.Standing != room || r.Error != "EAGAIN" {
		return bench.Brokenf("fork failed with %s at %d zombies; want EAGAIN at %d", r.Error, r.Standing, room)
	}
	try, err := l.bystander.Do(l.ctx, parent.Order{Do: parent.Try})
	if err != nil {
		return err
	}
	if try.Error != r.Error {
		return bench.Brokenf("a bystander under the same limit gets %q from fork; want %s", try.Error, r.Error)
	}
	l.Put(UnitRefused, 1)
	if err := exec.CommandContext(l.ctx, "true").Run(); err != nil {
		return fmt.Errorf("starting a process that is not under the limit: %w", err)
	}

	l.Doing("reaping")
	collected, err := l.parent.Must(l.ctx, collectEach)
	if err != nil {
		return err
	}
	if collected.Ended != r.Standing {
		return bench.Brokenf("%d of %d zombies were reaped", collected.Ended, r.Standing)
	}
	for _, who := range []*parent.Client{l.bystander, l.parent} {
		if try, err = who.Do(l.ctx, parent.Order{Do: parent.Try}); err != nil {
			return err
		}
		if try.Error != "" {
			return bench.Brokenf("fork fails after the reap too: %s", try.Error)
		}
	}
	l.Put(UnitRecovers, 2)
	return nil
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
func exhaustNothing(t *trial, p plan) error {
	l, err := t.limitTest(p, parent.Options{})
	if err != nil {
		return err
	}
	r, err := t.raise(l.parent, 2*p.count+100)
	t.Put(UnitStood, float64(r.Standing))
	if err != nil {
		return err
	}
	_, err = l.bystander.Must(t.ctx, parent.Order{Do: parent.Try})
	return err
}
