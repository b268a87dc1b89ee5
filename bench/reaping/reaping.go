// Package reaping measures how zombies go: who reaps them and in what time
// (Reap), what the order of waiting costs (WaitOrder), who adopts them (Adopt),
// what happens when there are too many (Exhaust), and what they take as long as
// nobody reaps them (Standing).
//
// Beside each claim stands a control that would show it if the claim were empty.
// The parents that are tested are of package parent, and zombied where the
// daemon itself is asked about. The machine is never endangered: every limit that
// a trial runs into was set by it, for its own processes.
package reaping

import (
	"strconv"
	"strings"
	"time"

	"zombench/bench"
	"zombench/bench/reaping/parent"
	"zombench/bench/reexec"
	"zombench/results"
)

// The benchmarks, without the word Benchmark.
const (
	Reap      = "Reap"
	WaitOrder = "WaitOrder"
	Adopt     = "Adopt"
	Exhaust   = "Exhaust"
	Standing  = "Standing"
)

// A plan is what the user may set.
type plan struct {
	count    int           // zombies of an army
	parallel int           // threads that start children at the same time
	children int           // of WaitOrder
	step     time.Duration // of WaitOrder
	stand    time.Duration // for how long Standing watches
}

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{count: 500, parallel: 4, children: 10, step: 100 * time.Millisecond, stand: 2 * time.Second}
	return bench.Experiment{
		Name:     "reaping",
		Asks:     "how do zombies go: who reaps them, in what time, and what if nobody does?",
		Units:    units(),
		Zombied:  true,
		Samples:  6,
		Programs: []reexec.Program{parent.Program()},
		Fields: []bench.Field{
			{Name: "count", Usage: "zombies in an army", Value: bench.Int(&p.count, 1, bench.MaxZombies)},
			{Name: "parallel", Usage: "threads of a parent that start children", Value: bench.Int(&p.parallel, 1, bench.MaxParallel)},
			{Name: "children", Usage: "children that WaitOrder's parent waits for", Value: bench.Int(&p.children, 1, 1000)},
			{Name: "step", Usage: "child i of WaitOrder's parent lives for i times this long", Value: bench.Duration(&p.step, time.Millisecond)},
			{Name: "stand", Usage: "how long Standing watches an army", Value: bench.Duration(&p.stand, time.Millisecond)},
		},
		Setups: func() ([]bench.Setup, error) {
			var all []bench.Setup
			for _, kind := range []func(plan) []bench.Setup{reapSetups, orderSetups, adoptSetups, exhaustSetups, standingSetups} {
				all = append(all, kind(*p)...)
			}
			return all, nil
		},
	}
}

// A method is one way in which a benchmark of this package is run.
type method struct {
	name    string
	about   string
	control bool
	run     func(*trial, plan)
}

// setup makes the setup of a method: the benchmark's first parameter names it.
func (m method) setup(p plan, benchmark, key string, count int, more ...results.Param) bench.Setup {
	return bench.Setup{
		Bench:   benchmark,
		Params:  append([]results.Param{{Key: key, Value: m.name}}, more...),
		About:   m.about,
		Control: m.control,
		Group:   benchmark,
		Needs:   []bench.Need{bench.NeedCgroup},
		Army:    bench.Army{Zombies: count, Tasks: p.parallel, Spawn: "exec"},
		Run:     bench.Within(patience, bench.Stepwise(func(s *bench.Steps) { m.run(&trial{s, count, m.control}, p) })),
	}
}

// army are the parameters of a benchmark that raises one.
func (p plan) army() []results.Param {
	return []results.Param{{Key: "count", Value: strconv.Itoa(p.count)}, {Key: "parallel", Value: strconv.Itoa(p.parallel)}}
}

// patience bounds a trial that does not come to its end.
const patience = 2 * time.Minute

// slashless makes a value fit for a benchmark name.
func slashless(value string) string { return strings.ReplaceAll(value, "/", "_") }

// units describes the values of all benchmarks of this package.
func units() []results.Unit {
	return []results.Unit{
		{Name: UnitReapTime, Meta: "better=lower", Meaning: "from the trigger until pids.current is back, divided by the army"},
		{Name: UnitKmemTime, Meta: "better=lower", Meaning: "from the trigger until the army's kernel memory is back: RCU grace periods, whatever its size"},
		{Name: UnitPeak, Meta: "assume=exact", Meaning: "zombies that were there at the same time"},
		{Name: UnitLeft, Meta: "assume=exact", Meaning: "zombies that are still there, of a control"},
		{Name: UnitKept, Meta: "better=lower", Meaning: "kernel memory that has not come back"},
		{Name: UnitSteps, Meta: "better=lower", Meaning: "time that children were dead and not reaped, summed over all, in steps"},
		{Name: UnitAdoptTime, Meta: "better=lower", Meaning: "from the killing of the parent until its children have another, divided by the children"},
		{Name: UnitAdopted, Meta: "assume=exact", Meaning: "children, dead or alive, that came to the adopter"},
		{Name: UnitPassed, Meta: "assume=exact", Meaning: "children that passed it by, of a control"},
		{Name: UnitAt + "EAGAIN", Meaning: "zombies that were there when fork failed with EAGAIN"},
		{Name: UnitAt + "ENOMEM", Meaning: "zombies that were there when fork failed with ENOMEM"},
		{Name: UnitAt + "OOM", Meaning: "zombies that were there when the OOM killer came"},
		{Name: UnitRefused, Meta: "assume=exact", Meaning: "processes under the same limit that cannot fork either"},
		{Name: UnitKilled, Meaning: "processes that the OOM killer killed"},
		{Name: UnitRecovers, Meta: "assume=exact", Meaning: "forks that work again after the reap"},
		{Name: UnitStood, Meta: "assume=exact", Meaning: "zombies without a limit, of a control"},
		{Name: UnitCPU, Meta: "better=lower", Meaning: "CPU time of all tasks of the cgroup while the army was there"},
		{Name: UnitUser, Meaning: "by how much its user memory changed meanwhile"},
		{Name: UnitGivenOut, Meaning: "pids that were given out meanwhile, none of them a zombie's"},
		{Name: UnitAgain, Meta: "assume=exact", Meaning: "pids of the reaped zombies that were given out again"},
	}
}
