package reaping

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/reaping/parent"
	"zombench/measure"
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

// exhaustSetups are the walls that an army can meet.
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
	for i, name := range []string{"pid_max", "threads-max"} {
		data, err := os.ReadFile(filepath.Join(t.Lab.FS.Proc, "sys/kernel", name))
		if err != nil {
			return limits, err
		}
		limits[i] = strings.TrimSpace(string(data))
	}
	return limits, nil
}

// A wall is a parent that raises an army under a limit, and a process that has
// nothing to do with it but is under the same limit.
type wall struct{ parent, bystander *parent.Client }

func (t *trial) wall(p plan, o parent.Options) (*wall, error) {
	o.Parallel = p.parallel
	pt, err := t.start(o)
	if err != nil {
		return nil, err
	}
	bystander, err := pt.Beget(t.ctx, parent.Order{})
	if err != nil {
		return nil, err
	}
	w := &wall{pt, bystander}
	if _, err := bystander.Must(t.ctx, parent.Order{Do: parent.Try}); err != nil {
		return nil, err
	}
	return w, nil
}

// meet raises more than fits, and sees that it ends as it has to: after exactly
// as many as the limit leaves room for, with EAGAIN, for the bystander too, and
// for nobody who is not under the limit. Then the army is reaped, and all is
// well again.
func (t *trial) meet(w *wall, room int) error {
	t.Doing("raising")
	r, err := w.parent.Do(t.ctx, parent.Order{Do: parent.Raise, Count: 2*room + 100})
	if err != nil {
		return err
	}
	if r.Error == "" {
		return bench.Brokenf("%d children were started and the limit was not met", r.Standing)
	}
	t.Put(UnitAt+r.Error, float64(r.Standing))
	if r.Standing != room || r.Error != "EAGAIN" {
		return bench.Brokenf("fork failed with %s at %d zombies; want EAGAIN at %d", r.Error, r.Standing, room)
	}
	try, err := w.bystander.Do(t.ctx, parent.Order{Do: parent.Try})
	if err != nil {
		return err
	}
	if try.Error != r.Error {
		return bench.Brokenf("an bystander process under the same limit gets %q from fork; want %s", try.Error, r.Error)
	}
	t.Put(UnitRefused, 1)
	if err := exec.CommandContext(t.ctx, "true").Run(); err != nil {
		return fmt.Errorf("a process that is not under the limit cannot fork: %w", err)
	}

	t.Doing("reaping")
	collected, err := w.parent.Must(t.ctx, parent.Order{Do: parent.Collect, How: parent.Each})
	if err != nil {
		return err
	}
	if collected.Ended != r.Standing {
		return bench.Brokenf("%d of %d zombies were reaped", collected.Ended, r.Standing)
	}
	for _, who := range []*parent.Client{w.bystander, w.parent} {
		if try, err = who.Do(t.ctx, parent.Order{Do: parent.Try}); err != nil {
			return err
		}
		if try.Error != "" {
			return bench.Brokenf("fork fails after the reap too: %s", try.Error)
		}
	}
	t.Put(UnitRecovers, 2)
	return nil
}

// exhaustPidsMax: the cgroup may have so many tasks.
func exhaustPidsMax(t *trial, p plan) error {
	w, err := t.wall(p, parent.Options{})
	if err != nil {
		return err
	}
	tasks, err := t.Tasks()
	if err != nil {
		return err
	}
	if err := setLimit(t.Pids().Dir, "pids.max", tasks+p.count); err != nil {
		return err
	}
	return t.meet(w, p.count)
}

func setLimit(dir, file string, value int) error {
	err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(value)), 0)
	if err != nil {
		return fmt.Errorf("limiting the trial's cgroup: %w", err)
	}
	return nil
}

// exhaustNProc: the user, who is nobody else, may have so many processes. The
// trial's cgroup holds all of them.
func exhaustNProc(t *trial, p plan) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("becoming a user whom RLIMIT_NPROC binds takes root: %w", measure.ErrNotPermitted)
	}
	uid, err := t.strangerUID()
	if err != nil {
		return err
	}
	w, err := t.wall(p, parent.Options{UID: uid})
	if err != nil {
		return err
	}
	tasks, err := t.Tasks()
	if err != nil {
		return err
	}
	for _, who := range []*parent.Client{w.bystander, w.parent} {
		if _, err := who.Must(t.ctx, parent.Order{Do: parent.NProc, Count: tasks + p.count}); err != nil {
			return err
		}
	}
	return t.meet(w, p.count)
}

// strangerUID returns a user who has no process.
func (t *trial) strangerUID() (int, error) {
	all, err := t.Lab.FS.Processes()
	if err != nil {
		return 0, err
	}
	taken := make(map[int]bool)
	for _, p := range all {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(t.Lab.FS.Proc, strconv.Itoa(p.PID)), &st) == nil {
			taken[int(st.Uid)] = true
		}
	}
	for uid := 1_900_000_000 + os.Getpid(); ; uid++ { // above what systemd and containers give out
		if !taken[uid] {
			return uid, nil
		}
	}
}

// exhaustPidMax: the pid namespace may have so many pids. Only from Linux 6.14
// on it has a limit of its own; before, this would set the machine's.
func exhaustPidMax(t *trial, p plan) error {
	if err := t.ownPidMax(); err != nil {
		return err
	}
	w, err := t.wall(p, parent.Options{Pidns: true})
	if err != nil {
		return err
	}
	room, err := t.limitPids(w, p.count)
	if err != nil {
		return err
	}
	return t.meet(w, room)
}

// ownPidMax tells whether a pid namespace has a pid_max of its own.
func (t *trial) ownPidMax() error {
	if release := measure.Release(t.Lab.Machine.Kernel); !release.AtLeast(6, 14) {
		return fmt.Errorf("kernel.pid_max of a pid namespace of its own: Linux %s: %w, 6.14 has it", release, measure.ErrNotSupported)
	}
	return nil
}

// limitPids sets pid_max of a parent's own namespace so that about count more
// pids are left, and returns how many are. Pids are given out in ascending
// order, and below 300 no more once that was passed (alloc_pid in kernel/pid.c,
// RESERVED_PIDS), so those left are exactly the ones between the last and the
// limit.
func (t *trial) limitPids(w *wall, count int) (room int, err error) {
	r, err := w.bystander.Must(t.ctx, parent.Order{Do: parent.Cycle, Count: 1})
	if err != nil {
		return 0, err
	}
	const least = 302 // pid_max_min, RESERVED_PIDS + 1, and one more
	limit := max(r.PIDs[0]+1+count, least)
	if _, err := w.parent.Must(t.ctx, parent.Order{Do: parent.PidMax, Count: limit}); err != nil {
		return 0, err
	}
	return limit - (r.PIDs[0] + 1), nil
}

// exhaustMemory: the cgroup may have so much memory, and zombies are charged to
// it. What happens then is for the trial to find out: fork fails, or the OOM
// killer comes, whose choice it is who dies. Zombies have no memory that it could
// take.
func exhaustMemory(t *trial, p plan) error {
	memcg, ok := t.Memory()
	if !ok {
		return fmt.Errorf("the cgroups here account for no memory: %w", measure.ErrNotSupported)
	}
	w, err := t.wall(p, parent.Options{})
	if err != nil {
		return err
	}
	usage, err := memcg.Usage()
	if err != nil {
		return err
	}
	file := "memory.max"
	if memcg.Version == 1 {
		file = "memory.limit_in_bytes"
	} else if err := setLimit(memcg.Dir, "memory.swap.max", 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// Room for the children that live at the same time, and about count zombies.
	const living, dead = 2 << 20, 10 << 10
	if err := setLimit(memcg.Dir, file, int(usage)+p.parallel*living+p.count*dead); err != nil {
		return err
	}
	t.Doing("raising")
	order := parent.Order{Do: parent.Raise, Count: 20*p.count + p.parallel*1000}
	r, err := w.parent.Do(t.ctx, order)
	killed := errors.Is(err, parent.ErrEnded)
	if err != nil && !killed {
		return err
	}
	kills, err := oomKills(memcg)
	if err != nil {
		return err
	}
	bystander, err := t.Lab.FS.Process(w.bystander.PID)
	bystanderDead := err != nil || bystander.Zombie()
	switch {
	case killed:
		// Its children came to us, dead and to be collected.
		if err := w.parent.Wait(); err == nil {
			return bench.Brokenf("the parent has ended by itself")
		}
		zombies, _, err := t.childrenOf(os.Getpid())
		if err != nil {
			return err
		}
		t.Put(UnitAt+"OOM", float64(zombies))
		t.Note("the OOM killer has killed the parent of the zombies; bystander killed: %v", bystanderDead)
	case r.Error == "":
		return bench.Brokenf("%d children were started and the limit was not met; %d were killed for it", r.Standing, kills)
	default:
		t.Put(UnitAt+r.Error, float64(r.Standing))
		t.Note("fork fails with %s; killed by the OOM killer: %d; bystander killed: %v", r.Error, kills, bystanderDead)
	}
	t.Put(UnitKilled, float64(kills))
	if !bystanderDead {
		// Whether it is refused is a matter of which page is asked for first.
		try, err := w.bystander.Do(t.ctx, parent.Order{Do: parent.Try})
		switch {
		case errors.Is(err, parent.ErrEnded) || err == nil && try.Error != "":
			t.Put(UnitRefused, 1)
		case err != nil:
			return err
		}
	} else {
		t.Put(UnitRefused, 1)
	}

	t.Doing("reaping")
	if killed {
		_ = unix.Kill(w.bystander.PID, syscall.SIGKILL) // an orphan of ours now
		if _, err := t.Collect(t.ctx); err != nil {
			return err
		}
	} else if _, err := w.parent.Must(t.ctx, parent.Order{Do: parent.Collect, How: parent.Each}); err != nil {
		return err
	}
	// The memory comes back after RCU grace periods.
	err = t.Await(t.ctx, "forks work again", 10*time.Millisecond, func() (bool, error) {
		if !killed {
			try, err := w.parent.Do(t.ctx, parent.Order{Do: parent.Try})
			return try.Error == "", err
		}
		next, err := t.start(parent.Options{})
		if errors.Is(err, parent.ErrEnded) {
			return false, nil // killed as well: not yet
		}
		if err != nil {
			return false, err
		}
		_, err = next.Must(t.ctx, parent.Order{Do: parent.Try})
		return true, err
	})
	if err != nil {
		return err
	}
	t.Put(UnitRecovers, 1)
	return nil
}

// oomKills counts the processes of a cgroup that the OOM killer has killed.
func oomKills(m measure.Memcg) (int, error) {
	file := "memory.events"
	if m.Version == 1 {
		file = "memory.oom_control"
	}
	data, err := os.ReadFile(filepath.Join(m.Dir, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, nil // Linux 4.13 has the field
}

// exhaustNothing is the control: without a limit the same army stands.
func exhaustNothing(t *trial, p plan) error {
	w, err := t.wall(p, parent.Options{})
	if err != nil {
		return err
	}
	want := 2*p.count + 100
	r, err := w.parent.Must(t.ctx, parent.Order{Do: parent.Raise, Count: want})
	if err != nil {
		return err
	}
	t.Put(UnitStood, float64(r.Standing))
	if r.Standing != want {
		return bench.Brokenf("%d of %d zombies stand", r.Standing, want)
	}
	_, err = w.bystander.Must(t.ctx, parent.Order{Do: parent.Try})
	return err
}
