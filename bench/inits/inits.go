// Package inits tests programs that are made to run as the init of a container,
// or as a child subreaper: each gets the same workload, and is scored by what it
// leaves.
//
// An init has four duties: to reap whatever comes to it, to do so at once, to
// forward signals to the program that it runs, and to end with its exit status. A
// program that never waits is tested with the others as the control: if it
// passed, the test would mean nothing.
//
// In flow command lines, out flow one trial for each run of an init, and faults of
// those that fail in a duty. It is not for measuring how fast they are.
package inits

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"zombench/bench"
	"zombench/bench/reexec"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench       = "Init"
	UnitLeft    = "zombies-left"      // a second after the workload has died
	UnitTime    = "ns/zombie"         // from the death of the workload until all is reaped
	UnitSignals = "signals-forwarded" // of five
	UnitStatus  = "status-kept"       // 1: the exit status of the workload became that of the init
	UnitKept    = "kept-B"            // kernel memory that the workload has left, in bytes
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{burst: 1000}
	return bench.Experiment{
		Name:     "inits",
		Asks:     "does a container's init reap, forward signals, and end with the status of its program?",
		Samples:  1,
		Programs: []reexec.Program{subreaperProgram()},
		Units: []results.Unit{
			{Name: UnitLeft, Meta: "assume=exact", Meaning: "zombies that are left a second after they died"},
			{Name: UnitTime, Meta: "better=lower", Meaning: "from their death until all are reaped, divided by their number"},
			{Name: UnitSignals, Meta: "assume=exact", Meaning: "of SIGHUP, SIGINT, SIGUSR1, SIGUSR2 and SIGTERM, those that the init forwarded"},
			{Name: UnitStatus, Meta: "assume=exact", Meaning: "1 if the init ended with the exit status of its program"},
			{Name: UnitKept, Meta: "better=lower", Meaning: "kernel memory that was not given back"},
		},
		Fields: []bench.Field{
			{Name: "init", Usage: "command of an init to test; give it again for more (default: those on PATH of " + strings.Join(known, ", ") + ")", Value: &commands{&p.commands}},
			{Name: "burst", Usage: "orphans that die at the same time", Value: bench.Int(&p.burst, 1, 1<<15)},
			{Name: "subreaper", Usage: "test inits as child subreapers, not as the init of a pid namespace", Value: bench.Bool(&p.subreaper)},
		},
		Setups: p.setups,
	}
}

// A plan is what the user may set.
type plan struct {
	commands  []string
	burst     int
	subreaper bool
}

// commands is a list that grows by each Set: a command may hold any character.
type commands struct{ p *[]string }

func (v *commands) Type() string       { return "command" }
func (v *commands) String() string     { return strings.Join(*v.p, "; ") }
func (v *commands) Set(s string) error { *v.p = append(*v.p, s); return nil }

func (p *plan) setups() ([]bench.Setup, error) {
	var setups []bench.Setup
	names := make(map[string]bool)
	for _, line := range p.commands {
		c, err := parse(line)
		if err == nil && names[c.name] {
			err = fmt.Errorf("another one is called %s, too", c.name)
		}
		if err != nil {
			return nil, bench.FieldErrorf("init", "%q: %w", line, err)
		}
		names[c.name] = true
		setups = append(setups, p.setup(c))
	}
	if len(p.commands) == 0 {
		for _, name := range known {
			setups = append(setups, p.setup(candidate{name: name, command: []string{name, "--"}}))
		}
	}
	return append(setups, p.setup(neverWaits())), nil
}

func (p *plan) setup(c candidate) bench.Setup {
	mode := "pidns"
	if p.subreaper {
		mode = "subreaper"
	}
	s := bench.Setup{
		Bench: Bench,
		Params: []results.Param{
			{Key: "init", Value: strings.NewReplacer("/", "_", " ", "_").Replace(c.name)}, {Key: "mode", Value: mode},
			{Key: "burst", Value: strconv.Itoa(p.burst)}},
		About:   "the init is " + strings.Join(c.command, " "),
		Control: c.control,
		Group:   Bench,
		Needs:   []bench.Need{bench.NeedRoot, bench.NeedCgroup, bench.NeedProgram(c.command[0], "on Debian: apt install "+c.name+", or name another init")},
		Army:    bench.Army{Zombies: p.orphans(), Tasks: p.orphans()},
		Run:     bench.Within(4*patience, func(ctx context.Context, s *bench.Site) error { return p.run(ctx, s, c) }),
	}
	if c.control {
		s.About = "an init that never waits"
	}
	return s
}

// orphans is how many come to an init.
func (p *plan) orphans() int { return p.burst + doubleForks + 2*grandchildren }
