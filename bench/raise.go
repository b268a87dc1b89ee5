package bench

import (
	"context"
	"fmt"

	"zombench/measure"
	"zombench/measure/limits"
)

// RaiseLimits raises the sysctls kernel.pid_max and kernel.threads-max as far
// as the largest army of the plan needs, and no further. Each is journalled
// before it is changed, so that it is put back when the lab closes, by the
// janitor if this process is killed, and by the next run if both are. It
// returns what it has changed, a line each.
func (l *Lab) RaiseLimits(p Plan) ([]string, error) {
	var changed []string
	for _, s := range p.Setups() {
		q := l.query(s)
		found, err := limits.Read(l.FS, q)
		if err != nil {
			return changed, fmt.Errorf("checking the limits: %w", err)
		}
		for _, limit := range found {
			remedy := q.Remedy(limit)
			if remedy.Sysctl == "" {
				continue
			}
			if err := l.raise(remedy.Sysctl, fmt.Sprint(limit.Value), remedy.Value); err != nil {
				return changed, err
			}
			changed = append(changed, fmt.Sprintf("raised %s from %d to %s until the end of this run", remedy.Sysctl, limit.Value, remedy.Value))
		}
	}
	return changed, nil
}

// raise sets a sysctl.
func (l *Lab) raise(name, old, value string) error {
	if err := l.lock.Record(name, old); err != nil {
		return fmt.Errorf("noting that %s was %s: %w", name, old, err)
	}
	return l.FS.SetSysctl(name, value)
}

// A MemoryError says that an army would take more memory than it may.
type MemoryError struct {
	Count     int    // zombies
	PerZombie uint64 // bytes, as a small army took them
	Available uint64 // bytes, MemAvailable of /proc/meminfo
}

// memoryShare is how much of the available memory an army may take, in
// percent: the machine has to live beside it.
const memoryShare = 80

func (e *MemoryError) Error() string {
	return fmt.Sprintf("an army of %d would take %d MiB (%d bytes a zombie, measured by a small army) and may take %d %% of the %d MiB that are available; ask for at most %d zombies",
		e.Count, uint64(e.Count)*e.PerZombie>>20, e.PerZombie, memoryShare, e.Available>>20, e.most())
}

func (e *MemoryError) most() uint64 { return e.Available * memoryShare / 100 / e.PerZombie }

// The sizes of armies for which memory is tried out beforehand, and of the
// army that tries it.
const (
	bigArmy   = 50_000
	pilotArmy = 2_000
)

// TryMemory refuses the plan with a *MemoryError if its largest army would
// not fit into the memory of this machine, by what a small army takes. Small
// plans are not tried: Preflight has looked after them.
func (l *Lab) TryMemory(ctx context.Context, p Plan) error {
	var biggest Setup
	for _, s := range p.Setups() {
		if s.Count > biggest.Count {
			biggest = s
		}
	}
	if biggest.Count < bigArmy || !l.Instruments.has(meminfo) {
		return nil
	}
	pilot := biggest
	pilot.Count = pilotArmy
	trial, err := l.Trial(ctx, pilot)
	if err != nil {
		return fmt.Errorf("trying how much memory a zombie takes: %w", err)
	}
	if trial.Broken != "" {
		return fmt.Errorf("trying how much memory a zombie takes: %s", trial.Broken)
	}
	return fits(biggest.Count, l.bytesEach(trial), trial.Before.Mem)
}

// bytesEach returns how much memory each zombie of a trial took, in bytes, by
// the instrument that says the most. A small army takes fewer pages than a big
// one will, since it fills slabs that are there already, so never less than
// what it was charged and a tenth for packing.
func (l *Lab) bytesEach(t *Trial) uint64 {
	pages := delta(t.Before.Mem.Slab, t.After.Mem.Slab)
	if t.After.Kmem != nil {
		pages = max(pages, 1.1*delta(*t.Before.Kmem, *t.After.Kmem))
	}
	return uint64(max(pages/float64(t.Count), 1))
}

// fits checks an army of count against the memory that is available.
func fits(count int, perZombie uint64, mem *measure.Meminfo) error {
	e := &MemoryError{Count: count, PerZombie: perZombie, Available: mem.MemAvailable}
	if uint64(count) > e.most() {
		return e
	}
	return nil
}
