package reaping

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/reaping/parent"
	"zombench/measure"
)

// exhaustPidsMax: the cgroup may have so many tasks.
func exhaustPidsMax(t *trial, p plan) {
	l := t.limitTest(p, parent.Options{})
	tasks := t.Tasks()
	t.Step(func() error { return setLimit(t.Pids().Dir, "pids.max", tasks+p.count) })
	l.run(p.count)
}

// exhaustNProc: a user may have so many processes. All of that user's are in the
// trial's cgroup.
func exhaustNProc(t *trial, p plan) {
	var uid int
	t.Step(func() (err error) { uid, err = t.unusedUID(); return err })
	l := t.limitTest(p, parent.Options{UID: uid})
	tasks := t.Tasks()
	for _, who := range []*parent.Client{l.bystander, l.parent} {
		t.order(who, parent.Order{Do: parent.NProc, Count: tasks + p.count})
	}
	l.run(p.count)
}

// unusedUID returns a user who has no process, for root to become.
func (t *trial) unusedUID() (int, error) {
	if os.Geteuid() != 0 {
		return 0, fmt.Errorf("becoming a user whom RLIMIT_NPROC binds takes root: %w", measure.ErrNotPermitted)
	}
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
func exhaustPidMax(t *trial, p plan) {
	t.Step(func() error { return bench.NeedOwnPidMax.Check(&t.Lab.Host) })
	l := t.limitTest(p, parent.Options{Pidns: true})
	l.run(l.limitPids(p.count))
}

// limitPids sets pid_max of a parent's own namespace so that about count more
// pids are left, and returns how many are. Pids are given out in ascending
// order, and below 300 no more once that was passed (alloc_pid in kernel/pid.c,
// RESERVED_PIDS), so those left are exactly the ones between the last and the
// limit.
func (l *limitTest) limitPids(count int) (room int) {
	last := 0
	if r := l.order(l.bystander, parent.Order{Do: parent.Cycle, Count: 1}); l.Err == nil {
		last = r.PIDs[0]
	}
	const least = 302 // pid_max_min, RESERVED_PIDS + 1, and one more
	limit := max(last+1+count, least)
	l.order(l.parent, parent.Order{Do: parent.PidMax, Count: limit})
	return limit - (last + 1)
}
