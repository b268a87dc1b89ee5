package reaping

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zombench/bench/reaping/parent"
	"zombench/measure"
)

// exhaustMemory: the cgroup may have so much memory, and zombies are charged to
// it. What happens then is for the trial to find out: fork fails, or the OOM
// killer comes, whose choice it is who dies. Zombies have no memory that it could
// take.
func exhaustMemory(t *trial, p plan) {
	memcg, ok := t.Memory()
	if !ok {
		t.Err = fmt.Errorf("the cgroups here account for no memory: %w", measure.ErrNotSupported)
	}
	l := t.limitTest(p, parent.Options{})
	// Room for the children that live at the same time, and about count zombies.
	const living, dead = 2 << 20, 10 << 10
	t.Step(func() error { return limitMemory(memcg, p.parallel*living+p.count*dead) })
	l.freeMemory(l.fillMemory(memcg, 20*p.count+p.parallel*1000))
}

// limitMemory leaves a cgroup so many bytes more than it uses.
func limitMemory(m measure.Memcg, room int) error {
	usage, err := m.Usage()
	if err != nil {
		return err
	}
	file := "memory.max"
	if m.Version == 1 {
		file = "memory.limit_in_bytes"
	} else if err := setLimit(m.Dir, "memory.swap.max", 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return setLimit(m.Dir, file, int(usage)+room)
}

// fillMemory raises count zombies, which do not fit, and records what became of
// it: whether the OOM killer has killed their parent, and how the bystander
// fares.
func (l *limitTest) fillMemory(m measure.Memcg, count int) (killed bool) {
	l.Doing("raising")
	var r parent.Reply
	l.Step(func() (err error) {
		r, err = l.parent.Do(l.Ctx, parent.Order{Do: parent.Raise, Count: count})
		if killed = errors.Is(err, parent.ErrEnded); killed {
			return nil
		}
		return err
	})
	var kills int
	l.Step(func() (err error) { kills, err = oomKills(m); return err })
	bystander, err := l.Lab.FS.Process(l.bystander.PID)
	refused := err != nil || bystander.Zombie() // it was killed
	switch {
	case killed:
		l.Check(l.parent.Wait() != nil, "the parent has ended by itself")
		// Its children came to us, dead and to be collected.
		l.Put(UnitAt+"OOM", float64(l.childrenOf(os.Getpid()).dead))
		l.Note("the OOM killer has killed the parent of the zombies; bystander killed: %v", refused)
	case r.Error == "":
		l.Check(false, "%d children were started and the limit was not met; %d were killed for it", r.Standing, kills)
	default:
		l.Put(UnitAt+r.Error, float64(r.Standing))
		l.Note("fork fails with %s; killed by the OOM killer: %d; bystander killed: %v", r.Error, kills, refused)
	}
	l.Put(UnitKilled, float64(kills))
	if !refused {
		l.Step(func() error {
			// Whether it is refused is a matter of which page is asked for first.
			try, err := l.bystander.Do(l.Ctx, parent.Order{Do: parent.Try})
			refused = err != nil || try.Error != ""
			if errors.Is(err, parent.ErrEnded) {
				return nil
			}
			return err
		})
	}
	if refused {
		l.Put(UnitRefused, 1)
	}
	return killed
}

// freeMemory reaps the army, by its parent or, if that was killed, here, and
// waits until forks work again: the memory comes back after RCU grace periods.
func (l *limitTest) freeMemory(killed bool) {
	l.Doing("reaping")
	works := func() (bool, error) {
		try, err := l.parent.Do(l.Ctx, parent.Order{Do: parent.Try})
		return try.Error == "", err
	}
	if killed {
		l.Step(func() error {
			_ = l.bystander.Kill() // an orphan of ours now
			_, err := l.Collect(l.Ctx)
			return err
		})
		works = func() (bool, error) {
			next := l.start(parent.Options{})
			if errors.Is(l.Err, parent.ErrEnded) {
				l.Err = nil
				return false, nil // killed as well: not yet
			}
			l.order(next, parent.Order{Do: parent.Try})
			return true, l.Err
		}
	} else {
		l.order(l.parent, collectEach)
	}
	l.Step(func() error { return l.Await(l.Ctx, "forks work again", 10*time.Millisecond, works) })
	l.Put(UnitRecovers, 1)
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
