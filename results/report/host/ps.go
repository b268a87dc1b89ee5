package host

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zombench/measure/procs"
	"zombench/results"
	"zombench/results/recorded"
	"zombench/results/report"
)

// Check answers as plugins of Nagios do (their guidelines): a line with what it is
// about, performance data behind a bar, and the exit status that it stands for: 0 if
// all is fine, 1 from warn zombies on, 2 from crit on, 3 if it is not known, which
// err says. A threshold of 0 is none. Zombies that died within the last second
// do not count: their parents may be about to wait for them.
func Check(found *procs.Result, err error, warn, crit int) (line string, status int) {
	if err != nil {
		return results.Printable(fmt.Sprintf("ZOMBIES UNKNOWN - %v", err)), 3
	}
	state, n := "OK", found.Zombies-found.Fresh
	switch {
	case crit > 0 && n >= crit:
		state, status = "CRITICAL", 2
	case warn > 0 && n >= warn:
		state, status = "WARNING", 1
	}
	line = fmt.Sprintf("ZOMBIES %s - %s", state, report.Plural(n, "zombie"))
	if len(found.Parents) > 0 {
		p := found.Parents[0]
		line += fmt.Sprintf(", %d of them of %d (%s)", p.Zombies-p.Fresh, p.PID, strings.ReplaceAll(Clip(p.Command, 60), "|", "/"))
	}
	if n := len(found.Leaders); n > 0 {
		line += fmt.Sprintf("; %s of which only the main thread has ended", report.Plural(n, "process"))
	}
	threshold := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s | zombies=%d;%s;%s;0", results.Printable(line), n, threshold(warn), threshold(crit)), status
}

// Zombies are what zombench ps says.
type Zombies struct {
	Zombies     int            `json:"zombies"`
	Bytes       uint64         `json:"holds_bytes"` // slab pages of all
	Zombie      recorded.Cost  `json:"zombie"`
	Parents     []Parent       `json:"parents"`           // the one with the most zombies first
	LeaderEnded int            `json:"leader_ended"`      // look like zombies, but only their main thread has ended
	Leaders     []procs.Leader `json:"leaders,omitempty"` // those
}

// A Parent is a process that leaves zombies.
type Parent struct {
	procs.Parent
	Bytes uint64 `json:"holds_bytes"`
}

// NewZombies says what a scan has found.
func NewZombies(found *procs.Result, each recorded.Cost) *Zombies {
	a := &Zombies{
		Zombies: found.Zombies, Bytes: uint64(found.Zombies) * each.Pages, Zombie: each,
		Parents: []Parent{}, LeaderEnded: len(found.Leaders), Leaders: found.Leaders,
	}
	for _, p := range found.Parents {
		a.Parents = append(a.Parents, Parent{p, uint64(p.Zombies) * each.Pages})
	}
	return a
}

// Doc is the document.
func (a *Zombies) Doc() report.Doc {
	d := report.Doc{Title: "Zombies", Data: a}
	if a.Zombies == 0 {
		d.Facts = append([]string{"no process has zombies" + a.leaderEnded()}, a.verdicts()...)
		return d
	}
	d.Facts = []string{fmt.Sprintf("%s of %s: %s of memory%s%s", report.Plural(a.Zombies, "zombie"),
		report.Plural(len(a.Parents), "parent"), Bytes(a.Bytes), a.Zombie.Assumed(), a.leaderEnded())}
	d.Facts = append(d.Facts, a.verdicts()...)
	oldest, dead := "oldest started", slices.ContainsFunc(a.Parents, func(p Parent) bool { return p.Dead != nil })
	if dead {
		oldest = "oldest died"
	}
	t := report.Table{Columns: []report.Column{
		{Name: "zombies"}, {Name: "memory" + a.Zombie.Assumed(), Unit: "B"}, {Name: oldest, Unit: "sec"}, {Name: "in the last minute"}, {Name: "parent"},
		{Name: "SIGCHLD", Left: true}, {Name: "reaper", Left: true}, {Name: "would reap", Left: true},
		{Name: "cgroup", Left: true}, {Name: "pod", Left: true}, {Name: "container", Left: true}, {Name: "command", Left: true}}}
	advice := report.Section{}
	const most = 10
	for i, p := range a.Parents {
		reaper, reaps := "", ""
		if p.Reaper != nil {
			reaper, reaps = fmt.Sprintf("%d %s", p.Reaper.PID, p.Reaper.Name), string(p.Reaper.Reaps)
		}
		age, recent := p.Age, any("")
		if p.Dead != nil {
			age = *p.Dead
		}
		if p.Recent != nil {
			recent = *p.Recent
		}
		t.Row(p.Zombies, report.Number(float64(p.Bytes), Bytes(p.Bytes)), report.Number(age.Seconds(), Duration(age, true)+" ago"), recent, p.PID,
			p.SIGCHLD, reaper, reaps, p.Cgroup, p.Pod, p.Container, Clip(p.Command, 60))
		switch {
		case i < most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("%d: %s", p.PID, p.Advice))
			if p.Removed > 0 {
				advice.Notes = append(advice.Notes, fmt.Sprintf("%d: its zombies keep %s in memory, each with all of its controllers and a part for each possible CPU; zombench run dress --dress grave measures how much that is",
					p.PID, report.Plural(p.Removed, "removed cgroup")))
			}
			if p.Reaper != nil {
				advice.Notes = append(advice.Notes, fmt.Sprintf("%d: reaper: %s", p.PID, p.Reaper.Why))
			}
		case i == most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("and %s more; --format json has all", report.Plural(len(a.Parents)-most, "parent")))
		}
	}
	d.Sections = []report.Section{{Tables: []report.Table{t.WithoutEmpty()}, Notes: []string{a.Zombie.String()}}, advice}
	return d
}

// verdicts names the processes that look like zombies and are none.
func (a *Zombies) verdicts() []string {
	var all []string
	for _, l := range a.Leaders {
		if len(l.States) > 0 {
			all = append(all, l.Verdict())
		}
	}
	return all
}

func (a *Zombies) leaderEnded() string {
	if a.LeaderEnded == 0 {
		return ""
	}
	return fmt.Sprintf("; not among them: %s of which only the main thread has ended", report.Plural(a.LeaderEnded, "process"))
}
