// Package drag measures what an army of zombies costs everybody else. A zombie
// takes no CPU time, but whatever walks a list of tasks or of children walks over
// it, some of it under a lock that every fork on the machine takes.
//
// A trial lets an army stand, has an actor on one CPU do one thing a few times,
// and has two bystanders on another CPU look at the clock all the while: one that
// does nothing but clone, exit and wait, and one that sleeps. What they missed
// while the actor acted is set against what they missed in windows of the same
// length in which nobody did anything, and against the same act without an army.
// In flow sizes of armies, out flow trials; the slope, nanoseconds for each
// zombie, is package stats' to estimate.
//
// It is not for what looking at zombies costs whoever looks, in memory.
package drag

import (
	"fmt"
	"strconv"
	"time"

	"zombench/bench"
	"zombench/bench/cpus"
	"zombench/bench/reexec"
	"zombench/measure"
	"zombench/results"
)

// Bench is the benchmark.
const Bench = "Drag"

// The units. Those of a bystander begin with what it does: fork or sleep.
const (
	UnitAct     = "act-ns"    // of the actor: the act, the median of the rounds
	unitLongest = "-ns"       // the longest that it was held up in an act's window, the median of the rounds
	unitTail    = "-p99.9-ns" // of all its turns in the windows of all acts
	unitRest    = "-rest-ns"  // as the longest, in windows in which nobody acts
	unitStalled = "-stalled"  // 1 if the longest is above that of every window of rest; 0: there is no stall
)

// A plan is what the user may set.
type plan struct {
	counts []int // zombies of an army
	rounds int   // acts of a trial
	force  bool  // acts may hold up the machine for longer than mostFrozen
}

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{counts: []int{1000, 10_000, 30_000, 100_000}, rounds: 10}
	return bench.Experiment{
		Name:     "drag",
		Asks:     "what does an army of zombies cost everybody else?",
		Units:    units(),
		Zombied:  true,
		Samples:  6,
		Programs: []reexec.Program{actorProgram(), bystanderProgram()},
		Fields: []bench.Field{
			{Name: "count", Usage: "zombies in an army", Value: bench.Ints(&p.counts, 1, bench.MaxZombies)},
			{Name: "rounds", Usage: "how often one trial repeats what is timed", Value: bench.Int(&p.rounds, 1, 1000)},
			{Name: "force", Usage: "also run what may hold up every fork on the machine for over a second", Value: bench.Bool(&p.force)},
		},
		Setups: p.setups,
	}
}

func (p *plan) setups() ([]bench.Setup, error) {
	if err := bench.AtLeastOne("count", p.counts, "number of zombies"); err != nil {
		return nil, err
	}
	var setups []bench.Setup
	for _, a := range actors() {
		for _, count := range append([]int{a.least}, p.counts...) {
			setups = append(setups, p.setup(a, count))
		}
	}
	return setups, nil
}

func (p *plan) setup(a actor, count int) bench.Setup {
	s := bench.Setup{
		Bench:   Bench,
		Params:  []results.Param{{Key: "actor", Value: a.name}, {Key: "count", Value: strconv.Itoa(count)}},
		About:   a.about,
		Control: count == a.least,
		Group:   a.name,
		Needs:   append([]bench.Need{bench.NeedRoot, bench.NeedCgroup, {Name: "2 CPUs", Check: func(*bench.Host) error { _, _, err := twoCPUs(); return err }}}, a.needs...),
		Army:    bench.Army{Zombies: count, Tasks: 1, Spawn: "clone", Optional: true},
		Run:     bench.Stepwise(func(s *bench.Steps) { perform(s, a, count, p.rounds) }),
	}
	if frozen := a.frozen(count); frozen > mostFrozen {
		s.About += fmt.Sprintf("; it may hold up every fork on the machine for %v", frozen)
		s.Needs = append(s.Needs, bench.Need{Name: fmt.Sprintf("force, for %v", frozen), Check: func(*bench.Host) error {
			if p.force {
				return nil
			}
			return fmt.Errorf("it may hold up every fork on the machine for %v; that has to be asked for by force: %w", frozen, measure.ErrNotPermitted)
		}})
	}
	return s
}

// mostFrozen is for how long a trial may hold up the machine unasked.
const mostFrozen = time.Second

// twoCPUs returns two CPUs that this process may run on: the bystanders get the
// last, since the first is where interrupts go as a rule.
func twoCPUs() (actor, bystanders int, err error) {
	all, err := cpus.Allowed()
	if err != nil {
		return 0, 0, err
	}
	if len(all) < 2 {
		return 0, 0, fmt.Errorf("an actor and a bystander at the same time take 2 CPUs: %w", measure.ErrNotSupported)
	}
	last := len(all) - 1
	return all[last-1], all[last], nil
}

// units describes the values.
func units() []results.Unit {
	const grows = "better=lower " + results.Over + "=count"
	all := []results.Unit{{Name: UnitAct, Meta: grows, Meaning: "time of the act, the median of the rounds"}}
	for _, b := range []struct{ name, does string }{
		{fork, "the bystander's clone, exit and wait"},
		{sleep, "how much later than asked for the bystander woke up"},
	} {
		all = append(all,
			results.Unit{Name: b.name + unitLongest, Meta: grows, Meaning: b.does + ": the longest during an act, the median of the rounds"},
			results.Unit{Name: b.name + unitTail, Meta: "better=lower", Meaning: b.does + ": the 99.9th percentile during all acts of a trial"},
			results.Unit{Name: b.name + unitRest, Meta: grows, Meaning: b.does + ": the longest in a window as long as an act in which nobody acts, the median: the noise of this machine"},
			results.Unit{Name: b.name + unitStalled, Meaning: b.does + ": 1 if the longest during an act is above that of every window in which nobody acts; 0: there is no stall"})
	}
	return all
}
