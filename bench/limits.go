package bench

import (
	"context"
	"errors"
	"fmt"
	"math"

	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/measure/limits"
)

// assumedBytes is what one zombie is taken to need when it is asked whether an
// army fits into memory: generous, since the true figure is not known before it
// was measured.
const assumedBytes = 16 << 10

// SpareTasks is how many tasks a trial needs besides its zombies and the
// spawner threads: the daemon's spare threads and its runtime's own.
const SpareTasks = 32

// query asks the limits for room for an army.
func (a Army) query() limits.Query {
	return limits.Query{
		Count:          uint64(a.Zombies),
		BytesPerZombie: assumedBytes,
		ExtraTasks:     uint64(a.Tasks) + SpareTasks,
		Descriptors:    uint64(a.Descriptors),
	}
}

// preflight reports the first limit of this machine that a setup's army would
// meet, as a *limits.Error.
func (l *Lab) preflight(a Army) error {
	q := a.query()
	found, err := limits.Read(l.FS, q)
	if err != nil {
		return fmt.Errorf("checking the limits: %w", err)
	}
	if err := q.Check(found); err != nil {
		return fmt.Errorf("an army of %d does not fit: %w", a.Zombies, err)
	}
	return nil
}

// raiseLimits raises the sysctls kernel.pid_max and kernel.threads-max as far
// as the largest of the armies needs, and no further. Each is journalled
// before it is changed, so that it is put back when the lab closes, by the
// janitor if this process is killed, and by the next run if both are. notice is
// told what was changed, a line each.
func (l *Lab) raiseLimits(setups []planned, notice func(string)) error {
	seen := make(map[Army]bool)
	for _, s := range setups {
		if seen[s.Army] {
			continue
		}
		seen[s.Army] = true
		q := s.Army.query()
		found, err := limits.Read(l.FS, q)
		if err != nil {
			return fmt.Errorf("checking the limits: %w", err)
		}
		for _, limit := range found {
			remedy := q.Remedy(limit)
			if remedy.Sysctl == "" {
				continue
			}
			if err := l.raise(remedy.Sysctl, fmt.Sprint(limit.Value), remedy.Value); err != nil {
				return err
			}
			notice(fmt.Sprintf("raised %s from %d to %s until the end of this run", remedy.Sysctl, limit.Value, remedy.Value))
		}
	}
	return nil
}

// raise sets a sysctl.
func (l *Lab) raise(name, old, value string) error {
	if err := l.lock.Record(name, old); err != nil {
		return fmt.Errorf("noting that %s was %s: %w", name, old, err)
	}
	return l.FS.SetSysctl(name, value)
}

// memoryShare is how much of the available memory an army may take, in
// percent: the machine has to live beside it.
const memoryShare = 80

// The size from which on an army's memory is tried out beforehand, and that of
// the army that tries it.
const (
	bigArmy   = 50_000
	pilotArmy = 2_000
)

// tryMemory refuses a setup whose army would not fit into the memory of this
// machine, by what a small army takes. Small armies are not tried: preflight has
// looked after them.
func (l *Lab) tryMemory(ctx context.Context, a Army) error {
	if a.Zombies < bigArmy || !l.Instruments.has(meminfo) {
		return nil
	}
	var before, after Sample
	trial, _, err := l.trial(ctx, Setup{
		Bench: "Pilot",
		Run: Stepwise(func(s *Steps) {
			s.ReadSystem()
			d := s.Zombied(daemon.Options{Count: pilotArmy, Parallel: 1, Spawn: a.Spawn})
			before = s.Settle("before")
			s.RaiseAll(d, pilotArmy)
			after = s.Settle("after")
		}),
	}, silent{})
	if err == nil && trial.Broken != "" {
		err = errors.New(trial.Broken)
	}
	if err != nil {
		return fmt.Errorf("trying how much memory a zombie takes: %w", err)
	}
	return fits(a.Zombies, bytesEach(before, after, pilotArmy), before.Mem)
}

// bytesEach returns how much memory each zombie of a small army took, in bytes,
// by the instrument that says the most. A small army takes fewer pages than a
// big one will, since it fills slabs that are there already, so never less than
// what it was charged and a tenth for packing.
func bytesEach(before, after Sample, count int) uint64 {
	pages := Delta(before.Mem.Slab, after.Mem.Slab)
	if after.Kmem != nil {
		pages = max(pages, 1.1*Delta(*before.Kmem, *after.Kmem))
	}
	return uint64(math.Max(pages/float64(count), 1))
}

// fits checks an army of count against the memory that is available, by the bytes
// that each zombie of a small army took.
func fits(count int, perZombie uint64, mem *measure.Meminfo) error {
	most := mem.MemAvailable * memoryShare / 100 / perZombie
	if uint64(count) <= most {
		return nil
	}
	return fmt.Errorf("an army of %d would take %d MiB (%d bytes a zombie, measured by a small army) and may take %d %% of the %d MiB that are available; ask for at most %d zombies",
		count, uint64(count)*perZombie>>20, perZombie, memoryShare, mem.MemAvailable>>20, most)
}
