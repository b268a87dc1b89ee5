package reaping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zombench/bench"
	"zombench/bench/reaping/parent"
	"zombench/measure"
	"zombench/results"
)

// The units of Standing.
const (
	UnitCPU      = "cpu-ns"           // CPU time of all tasks of the cgroup while the army stood
	UnitUser     = "user-B"           // by how much its user memory changed meanwhile
	UnitGivenOut = "pids-given-out"   // while the army stood, none of them a zombie's
	UnitAgain    = "pids-given-again" // of the reaped zombies, afterwards
)

// standingSetups are what is asked of an army that nobody reaps.
func standingSetups(p plan) []bench.Setup {
	setup := func(count int, m method) bench.Setup {
		return m.setup(p, Standing, "what", count, results.Param{Key: "count", Value: strconv.Itoa(count)},
			results.Param{Key: "parallel", Value: strconv.Itoa(p.parallel)}, results.Param{Key: "stand", Value: slashless(p.stand.String())})
	}
	return []bench.Setup{
		setup(p.count, method{"army", "what the zombies take of CPU time and user memory", false, (*trial).stand}),
		setup(0, method{"nobody", "what the same parent takes without a zombie", true, (*trial).stand}),
		setup(p.count, method{"pids", "whether a zombie's pid is given out again", false, (*trial).keepPids}),
	}
}

// stand watches an army for a while: what CPU time and user memory do its
// cgroup and its zombies take?
func (t *trial) stand(p plan) {
	pt := t.start(parent.Options{Parallel: p.parallel})
	r := t.raiseUnder(pt)
	t.Settle("after")
	var first, last consumption
	t.Step(func() (err error) { first, err = t.consumption(pt, r.PIDs); return err })
	t.Doing("watching it stand")
	t.Sleep(p.stand)
	t.Step(func() (err error) { last, err = t.consumption(pt, r.PIDs); return err })
	t.Put(UnitCPU, float64(last.parent+last.zombies-first.parent-first.zombies))
	if first.user != nil && last.user != nil {
		t.Put(UnitUser, float64(*last.user)-float64(*first.user))
	}
	t.Note("CPU time of the zombies before and after: %d and %d ns; their user memory: %d pages", first.zombies, last.zombies, last.pages)
	t.Check(last.zombies == first.zombies && last.pages == 0, "the zombies took %d ns of CPU time and have %d pages", last.zombies-first.zombies, last.pages)
}

// consumption is what the tasks of a trial have taken so far.
type consumption struct {
	parent, zombies uint64   // ns of CPU time
	pages           uint64   // of user memory, of the zombies
	user            *float64 // bytes of user memory charged to the cgroup; nil if unknown
}

func (t *trial) consumption(pt *parent.Client, zombies []int) (c consumption, err error) {
	proc := t.Lab.FS.Proc
	tasks, err := filepath.Glob(filepath.Join(proc, strconv.Itoa(pt.PID), "task", "*"))
	if err != nil {
		return c, err
	}
	for _, task := range tasks {
		ns, err := cpuTime(task)
		if err != nil {
			return c, err
		}
		c.parent += ns
	}
	for _, pid := range zombies {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		ns, err := cpuTime(dir)
		if err != nil {
			return c, err
		}
		c.zombies += ns
		statm, err := os.ReadFile(filepath.Join(dir, "statm"))
		if err != nil {
			return c, err
		}
		for _, field := range strings.Fields(string(statm)) {
			n, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				return c, fmt.Errorf("%s/statm: %w", dir, err)
			}
			c.pages += n
		}
	}
	if memcg, ok := t.Memory(); ok {
		stat, err := memcg.Stat()
		if err != nil {
			return c, err
		}
		field := "anon"
		if memcg.Version == 1 {
			field = "rss"
		}
		if n, ok := stat[field]; ok {
			user := float64(n)
			c.user = &user
		}
	}
	return c, nil
}

// cpuTime returns what a task has run, in ns, from its schedstat
// (Documentation/scheduler/sched-stats.rst; CONFIG_SCHED_INFO).
func cpuTime(dir string) (uint64, error) {
	data, err := os.ReadFile(filepath.Join(dir, "schedstat"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("CPU time of a task in ns (CONFIG_SCHED_INFO): %w", measure.ErrNotSupported)
	}
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(data), " ")
	ns, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s/schedstat: %w", dir, err)
	}
	return ns, nil
}

// keepPids gives out all pids of a small namespace several times over: those of
// zombies must not be among them before they are reaped, and must be afterwards.
func (t *trial) keepPids(p plan) {
	t.Step(func() error { return bench.NeedOwnPidMax.Check(&t.Lab.Host) })
	l := t.limitTest(p, parent.Options{Pidns: true})
	// Pids below 300 are given out once only (RESERVED_PIDS).
	const reserved, free, rounds = 300, 50, 4
	l.givenOut(reserved)
	l.limitPids(t.count + free)
	army := l.raise(l.parent, t.count)
	t.Doing("giving pids out")
	during := l.givenOut(rounds * free)
	t.Check(len(during) != rounds*free, "%d pids were given out and none of them twice: nothing is shown", len(during))
	for _, pid := range army.PIDs {
		t.Check(!during[pid], "pid %d was given out again while a zombie had it", pid)
	}
	t.Put(UnitGivenOut, rounds*free)
	l.order(l.parent, collectEach)
	after := l.givenOut(2 * (t.count + 2*free))
	again := 0
	for _, pid := range army.PIDs {
		if after[pid] {
			again++
		}
	}
	t.Put(UnitAgain, float64(again))
	t.Check(again == t.count, "of %d pids of reaped zombies %d were given out again", t.count, again)
}

// givenOut starts n children one after the other and returns the pids that they
// got.
func (l *limitTest) givenOut(n int) map[int]bool {
	pids := make(map[int]bool)
	for _, pid := range l.order(l.parent, parent.Order{Do: parent.Cycle, Count: n}).PIDs {
		pids[pid] = true
	}
	return pids
}
