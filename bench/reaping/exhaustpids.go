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
func exhaustPidsMax(t *trial, p plan) error {
	l, err := t.limitTest(p, parent.Options{})
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
	return l.run(p.count)
}

// exhaustNProc: a user may have so many processes. All of that user's are in the
// trial's cgroup.
func exhaustNProc(t *trial, p plan) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("becoming a user whom RLIMIT_NPROC binds takes root: %w", measure.ErrNotPermitted)
	}
	uid, err := t.unusedUID()
	if err != nil {
		return err
	}
	l, err := t.limitTest(p, parent.Options{UID: uid})
	if err != nil {
		return err
	}
	tasks, err := t.Tasks()
	if err != nil {
		return err
	}
	for _, who := range []*parent.Client{l.bystander, l.parent} {
		if _, err := who.Must(t.ctx, parent.Order{Do: parent.NProc, Count: tasks + p.count}); err != nil {
			return err
		}
	}
	return l.run(p.count)
}

// unusedUID returns a user who has no process.
func (t *trial) unusedUID() (int, error) {
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
	if err := bench.NeedOwnPidMax.Check(&t.Lab.Host); err != nil {
		return err
	}
	l, err := t.limitTest(p, parent.Options{Pidns: true})
	if err != nil {
		return err
	}
	room, err := l.limitPids(p.count)
	if err != nil {
		return err
	}
	return l.run(room)
}

// limitPids sets pid_max of a parent's own namespace so that about count more
// pids are left, and returns how many are. Pids are given out in ascending
// order, and below 300 no more once that was passed (alloc_pid in kernel/pid.c,
// RESERVED_PIDS), so those left are exactly the ones between the last and the
// limit.
func (l *limitTest) limitPids(count int) (room int, err error) {
	r, err := l.bystander.Must(l.ctx, parent.Order{Do: parent.Cycle, Count: 1})
	if err != nil {
		return 0, err
	}
	const least = 302 // pid_max_min, RESERVED_PIDS + 1, and one more
	limit := max(r.PIDs[0]+1+count, least)
	if _, err := l.parent.Must(l.ctx, parent.Order{Do: parent.PidMax, Count: limit}); err != nil {
		return 0, err
	}
	return limit - (r.PIDs[0] + 1), nil
}
