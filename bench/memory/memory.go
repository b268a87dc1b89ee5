// Package memory measures what zombies hold: the main job. A trial lets zombied
// raise an army in a fresh cgroup and reads the kernel before, after that, and
// when the army was reaped; a control does all of it with an army of nobody.
//
// In flow the fields of the experiment (sizes, spawner threads, ways of
// spawning, pid namespaces, dresses), out flow trials with their raw readings. What one
// zombie costs is estimated from several sizes, by package stats; which objects
// it consists of, by package ledger.
package memory

import (
	"cmp"
	"strconv"

	"zombench/bench"
	"zombench/bench/daemon/pidns"
	"zombench/bench/dress"
	"zombench/results"
)

// spawns are zombied's ways of spawning.
var spawns = []string{"exec", "os-exec", "clone"}

// about says what they are.
var about = map[string]string{
	"exec":    "fork and exec",
	"os-exec": "Go's os/exec, which keeps a pidfd for each",
	"clone":   "clone(2): children that share the daemon's memory and only exit",
}

// A plan is what the user may set. Each size is combined with each number of
// threads, way of spawning and depth of pid namespaces.
type plan struct {
	counts    []int
	parallels []int
	spawns    []string
	pidns     []int    // empty: in ours, and names do not tell
	dresses   []string // instead of spawns; empty: none, and names do not tell
}

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{counts: []int{500, 1000, 2000}, parallels: []int{1, 50}, spawns: []string{"exec"}}
	return bench.Experiment{
		Name:    "memory",
		Asks:    "how much memory do zombies hold?",
		Units:   results.Units(),
		Zombied: true,
		Samples: 10,
		Fields: []bench.Field{
			{Name: "count", Usage: "zombies in an army", Value: bench.Ints(&p.counts, 1, bench.MaxZombies)},
			{Name: "parallel", Usage: "threads of zombied that create zombies at the same time", Value: bench.Ints(&p.parallels, 1, bench.MaxParallel)},
			{Name: "spawn", Usage: "how children are created: exec (fork and exec), os-exec (Go's os/exec), clone (without a program)", Value: bench.Words(&p.spawns, spawns...)},
			dress.Field(&p.dresses),
			{Name: "pidns", Usage: "how many nested pid namespaces the army is in, such as 0,1,2; a container's is 1", Value: bench.Ints(&p.pidns, 0, pidns.MaxLevels-1)},
		},
		Setups: p.setups,
	}
}

// An army is one point of the plan.
type army struct {
	count    int // 0 in a control
	parallel int
	spawn    string
	pidns    int    // untold: in our pid namespace, and the name does not tell
	dress    string // "": none, and the name does not tell
}

const untold = -1

func (a army) levels() int { return max(a.pidns, 0) }

func (p *plan) setups() ([]bench.Setup, error) {
	if err := cmp.Or(
		bench.AtLeastOne("count", p.counts, "number of zombies"),
		bench.AtLeastOne("parallel", p.parallels, "number of threads"),
		bench.AtLeastOne("spawn", p.spawns, "way of spawning"),
	); err != nil {
		return nil, err
	}
	depths := p.pidns
	if len(depths) == 0 {
		depths = []int{untold}
	}
	var ways []army
	for _, outfit := range p.dresses {
		ways = append(ways, army{spawn: dressed, dress: outfit})
	}
	if len(ways) == 0 {
		for _, spawn := range p.spawns {
			ways = append(ways, army{spawn: spawn})
		}
	}
	var setups []bench.Setup
	for _, depth := range depths {
		for _, a := range ways {
			for _, parallel := range p.parallels {
				for _, count := range append([]int{0}, p.counts...) {
					a.count, a.parallel, a.pidns = count, parallel, depth
					setups = append(setups, a.setup())
				}
			}
		}
	}
	return setups, nil
}

// dressed is how zombied spawns children that do something before they end.
const dressed = "clone"

func (a army) setup() bench.Setup {
	kind := []results.Param{
		{Key: "parallel", Value: strconv.Itoa(a.parallel)},
		{Key: "spawn", Value: a.spawn},
	}
	if a.pidns != untold {
		kind = append(kind, results.Param{Key: "pidns", Value: strconv.Itoa(a.pidns)})
	}
	if a.dress != "" {
		kind = append(kind, results.Param{Key: "dress", Value: a.dress})
	}
	s := bench.Setup{
		Bench:   results.Zombies,
		Params:  append([]results.Param{{Key: "count", Value: strconv.Itoa(a.count)}}, kind...),
		Army:    bench.Army{Zombies: a.count, Tasks: a.parallel + a.levels()*initTasks, Spawn: a.spawn},
		Run:     bench.Stepwise(a.run),
		Control: a.count == 0,
	}
	s.About = "what zombies hold that were created by " + about[a.spawn]
	if a.dress != "" {
		s.About = "what dressed zombies hold: " + dress.About(a.dress)
	}
	if s.Control {
		s.Bench, s.Params, s.About = results.Control, kind, "the same with no zombie"
	}
	s.Group = results.Trial{Params: kind}.Name()
	if a.spawn == "os-exec" {
		s.Army.Descriptors = a.count // a pidfd each
	}
	return s
}

// initTasks is how many tasks the init of a pid namespace may have.
const initTasks = 16
