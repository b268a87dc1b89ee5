// Package spawning measures how fast zombies come: zombied's ways of spawning
// beside other programs that raise the same army, in turn, on the same CPU, and
// one of them for armies of several sizes.
//
// Only ratios travel. How long a zombie takes depends on the machine and on the
// moment; how much longer it takes one program than another does so far less, if
// both are tried again and again in the same minutes. It is not for memory: that
// is the same for all of them, and package memory's to measure.
package spawning

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"zombench/bench"
	"zombench/bench/reexec"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench     = "Spawn"
	UnitRaise = "ns/zombie"      // from the first spawn until the last child was seen dead
	UnitReap  = "reap-ns/zombie" // from then until all were collected
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{count: 10_000, sizes: []int{1000, 100_000}}
	return bench.Experiment{
		Name:     "spawning",
		Asks:     "how fast do zombies come, by zombied and by other programs?",
		Zombied:  true,
		Samples:  6,
		Programs: []reexec.Program{pinProgram()},
		Units: []results.Unit{
			{Name: UnitRaise, Meta: "better=lower", Meaning: "raising: from the first spawn to the last death, divided by the army"},
			{Name: UnitReap, Meta: "better=lower", Meaning: "reaping: from then until all are reaped, divided by the army"},
		},
		Fields: []bench.Field{
			{Name: "count", Usage: "zombies in an army", Value: bench.Int(&p.count, 1, bench.MaxZombies)},
			{Name: "sizes", Usage: "further armies, raised by clone alone; empty for none", Value: bench.Ints(&p.sizes, 1, bench.MaxZombies)},
		},
		Setups: p.setups,
	}
}

type plan struct {
	count int   // zombies in an army of the comparison
	sizes []int // armies raised by clone alone
}

// Those whose armies take a fraction of a second raise several in a round: what
// else the machine does in a moment would else decide between them.
const cloneTimes = 5

func (p *plan) setups() ([]bench.Setup, error) {
	var setups []bench.Setup
	add := func(c contestant, count int, about string, needs ...bench.Need) *bench.Setup {
		setups = append(setups, bench.Setup{
			Bench: Bench, About: about, Group: Bench, Needs: needs,
			Params: []results.Param{{Key: "by", Value: c.name()}, {Key: "count", Value: strconv.Itoa(count)}},
			Army:   bench.Army{Zombies: count, Tasks: 1, Spawn: "clone"},
			Run:    func(ctx context.Context, s *bench.Site) error { return race(ctx, s, c, count) },
		})
		return &setups[len(setups)-1]
	}
	gcc := bench.NeedProgram("gcc", "on Debian: apt install gcc libc6-dev")
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" {
		add(&program{source: "clone"}, p.count, "a C loop that clones as zombied does", gcc).Times = cloneTimes
	}
	add(zombied{"clone"}, p.count, "zombied by clone: a child that shares its memory and only exits").Times = cloneTimes
	add(&program{source: "fork"}, p.count, "a C loop that forks", gcc)
	add(zombied{"exec"}, p.count, "zombied by fork and exec").Army.Spawn = "exec"
	osExec := add(zombied{"os-exec"}, p.count, "zombied by Go's os/exec, which keeps a pidfd")
	osExec.Army.Spawn, osExec.Army.Descriptors = "os-exec", p.count
	add(stressNG{}, p.count, "the zombie stressor of stress-ng: raising and reaping together",
		bench.NeedProgram("stress-ng", "on Debian: apt install stress-ng"))
	for _, size := range p.sizes {
		if size != p.count {
			add(zombied{"clone"}, size, "zombied by clone").Army.Optional = true
		}
	}
	return setups, nil
}

// A timing is how long one army took.
type timing struct {
	raise time.Duration // from the first spawn until the last child was seen dead
	reap  time.Duration // from then until all were collected; 0 if raise covers both
}

// A contestant raises armies and reaps them, all on one CPU.
type contestant interface {
	name() string
	army(ctx context.Context, s *bench.Site, cpu, count int) (timing, error)
}

func race(ctx context.Context, s *bench.Site, c contestant, count int) error {
	cpu, err := lastCPU()
	if err != nil {
		return err
	}
	s.Doing("raising and reaping")
	t, err := c.army(ctx, s, cpu, count)
	if err != nil {
		return err
	}
	s.Put(UnitRaise, float64(t.raise.Nanoseconds())/float64(count))
	if t.reap > 0 {
		s.Put(UnitReap, float64(t.reap.Nanoseconds())/float64(count))
	}
	return nil
}
