// Package watched measures what it costs to look at zombies: each look at a file
// below /proc/PID makes a dentry and an inode, which stay.
//
// A trial lets an army stand that nobody has looked at, has a watcher in a cgroup
// of its own look at it a few times, and reaps the army. In flow the sizes of armies
// and the watchers, out flow the bytes that the looks left, to whose cgroup they are
// charged, what of them is still there when the zombies are gone, and how long a look
// takes. It is not for who looks on a host: that is package watchers' to find out.
package watched

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/reexec"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench           = "Watched"
	UnitReclaimable = "sreclaimable-B/zombie"
	UnitObjects     = "look-objects/zombie"
	UnitLooker      = "looker-kmem-B/zombie"
	UnitArmy        = "army-kmem-B/zombie"
	UnitLeft        = "left-B/zombie"
	UnitFirst       = "first-look-ns"
	UnitLook        = "look-ns"
	UnitCPU         = "look-cpu-ns"
)

// made are the slab caches of what a look makes.
var made = []string{"dentry", "proc_inode_cache"}

type plan struct {
	counts []int
	by     []string
	looks  int // of a trial
}

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{counts: []int{10_000}, looks: 5}
	var names []string
	for _, w := range watchers() {
		names = append(names, w.name)
	}
	p.by = names
	return bench.Experiment{
		Name:     "watched",
		Asks:     "what does it cost to look at zombies?",
		Zombied:  true,
		Samples:  6,
		Programs: []reexec.Program{lookerProgram()},
		Units: []results.Unit{
			{Name: UnitReclaimable, Meta: "better=lower", Meaning: "SReclaimable of /proc/meminfo, the whole system: by how much it grew by the looks"},
			{Name: UnitObjects, Meta: "better=lower", Meaning: "dentries and inodes of /proc that came about meanwhile"},
			{Name: UnitLooker, Meta: "better=lower", Meaning: "kernel memory charged to the cgroup of who looks"},
			{Name: UnitArmy, Meta: "better=lower", Meaning: "kernel memory charged to the zombies' cgroup, by how much it grew by the looks"},
			{Name: UnitLeft, Meta: "better=lower", Meaning: "SReclaimable when the zombies were reaped, less what it was before the looks"},
			{Name: UnitFirst, Meta: "better=lower", Meaning: "time of the first look, which makes what the others find"},
			{Name: UnitLook, Meta: "better=lower", Meaning: "time of a look behind the first, the median"},
			{Name: UnitCPU, Meta: "better=lower", Meaning: "CPU time of a look behind the first, the median"},
		},
		Fields: []bench.Field{
			{Name: "count", Usage: "zombies in an army", Value: bench.Ints(&p.counts, 1, bench.MaxZombies)},
			{Name: "by", Usage: "who looks at the zombies; nobody, the control, is always there", Value: bench.Words(&p.by, names...)},
			{Name: "looks", Usage: "how often they look in one trial", Value: bench.Int(&p.looks, 2, 1000)},
		},
		Setups: p.setups,
	}
}

func (p *plan) setups() ([]bench.Setup, error) {
	if err := bench.AtLeastOne("count", p.counts, "number of zombies"); err != nil {
		return nil, err
	}
	var setups []bench.Setup
	for _, w := range watchers() {
		control := w.name == nobody
		if !control && !slices.Contains(p.by, w.name) {
			continue
		}
		for _, count := range p.counts {
			setups = append(setups, bench.Setup{
				Bench: Bench, Params: []results.Param{{Key: "by", Value: w.name}, {Key: "count", Value: strconv.Itoa(count)}},
				About: w.about, Control: control, Group: strconv.Itoa(count),
				Needs: append([]bench.Need{bench.NeedRoot, bench.NeedCgroup}, w.needs...),
				Army:  bench.Army{Zombies: count, Tasks: 1, Spawn: "clone", Optional: true},
				Run:   bench.Stepwise(func(s *bench.Steps) { p.run(s, w, count) }),
			})
		}
	}
	return setups, nil
}

func (p *plan) run(s *bench.Steps, w watcher, count int) {
	s.ReadSystem()
	var beside *bench.Beside
	var look func() (time.Duration, error)
	s.Step(func() (err error) {
		if beside, err = s.Beside(); err == nil {
			look, err = w.begin(s.Ctx, s.Site, beside)
		}
		return err
	})
	d := s.Zombied(daemon.Options{Count: count, Parallel: 1, Spawn: "clone"})
	s.RaiseAll(d, count)
	before := s.Settle("before")
	var hers, hersAfter *uint64
	s.Step(func() (err error) { hers, err = beside.Kmem(); return err })
	s.Doing("looking: " + w.about)
	var took, cpu []time.Duration
	for range p.looks {
		s.Step(func() error {
			start := time.Now()
			used, err := look()
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			took, cpu = append(took, time.Since(start)), append(cpu, used)
			return nil
		})
	}
	after := s.Settle("looked")
	s.Step(func() (err error) { hersAfter, err = beside.Kmem(); return err })
	s.Reap(d)
	reaped := s.Settle("reaped")
	if s.Err != nil {
		return
	}
	each := func(unit string, change float64) { s.Put(unit, change/float64(count)) }
	if before.Mem != nil {
		each(UnitReclaimable, bench.Delta(before.Mem.SReclaimable, after.Mem.SReclaimable))
		each(UnitLeft, bench.Delta(before.Mem.SReclaimable, reaped.Mem.SReclaimable))
	}
	if before.Slab != nil {
		objects := 0.0
		for _, cache := range made {
			was, _ := before.Slab.Lookup(cache)
			is, _ := after.Slab.Lookup(cache)
			objects += bench.Delta(was.ActiveObjs, is.ActiveObjs)
		}
		each(UnitObjects, objects)
	}
	s.PutChange(UnitLooker, hers, hersAfter, count)
	s.PutChange(UnitArmy, before.Kmem, after.Kmem, count)
	s.Put(UnitFirst, float64(took[0]))
	s.Put(UnitLook, float64(median(took[1:])))
	s.Put(UnitCPU, float64(median(cpu[1:])))
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
