package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/measure"
	"zombench/measure/procs"
	"zombench/measure/taskscan"
	"zombench/measure/watch"
	"zombench/measure/watch/exporter"
	"zombench/results/report"
)

// psOptions are the flags of zombench ps.
type psOptions struct {
	from, format, textfile string
	warn, crit             int // -1: not asked
}

func newPs() *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show which processes leave zombies, what they cost, and what would reap them",
		Long: `Ps lists the processes that have zombies now, the one with the most first: how
many, how long the oldest has been dead, how many died in the last minute, how much
memory they hold, and the cgroup, pod and container of the parent.

It also shows what the parent does about SIGCHLD (ignored, handled, blocked to be
taken by sigwait or signalfd, default), and which process would inherit the
zombies if it ended: the init of its pid namespace, or a subreaper. /proc does
not say which process is a subreaper, so those are recognized by the names of
the usual ones, and the true one may be another. Processes that look like zombies
because their main thread has ended, while others live, are named apart.

Zombies are found by a BPF task iterator (Linux 5.8 with BTF; root, or CAP_BPF and
CAP_PERFMON), which leaves no trace. Without it /proc is walked, which costs the
kernel a dentry and an inode for each process and does not say when one ended: then
the table says when the oldest was started. Ps sends no signals.

With --warn or --crit it is a check for Nagios and its kin: one line, and exit
status 0 (fine), 1 (--warn zombies or more), 2 (--crit or more) or 3 (unknown).
For node-problem-detector give --warn alone.`,
		Example: `  zombench ps
  zombench ps --format json
  zombench ps --warn 100 --crit 1000
  zombench ps --textfile /var/lib/prometheus/node-exporter/zombies.prom`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for name, n := range map[string]*int{"warn": &o.warn, "crit": &o.crit} {
				switch {
				case !cmd.Flags().Changed(name):
					*n = -1
				case *n < 1:
					return usageErrorf("--%s: %d zombies; want 1 or more", name, *n)
				}
			}
			source, done, why := findSource()
			defer done()
			return ps(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), source, why, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "result `FILE` that says what a zombie takes (default: as zombench limits)")
	formatFlag(cmd, &o.format)
	f.StringVar(&o.textfile, "textfile", "", "write metrics to this `FILE` for node_exporter's textfile collector, and nothing else")
	f.IntVar(&o.warn, "warn", 0, "check: exit with status 1 at `N` zombies or more")
	f.IntVar(&o.crit, "crit", 0, "check: exit with status 2 at `N` zombies or more")
	return cmd
}

// findSource returns the best way to list processes here. If it is /proc, why says
// what is missing.
func findSource() (source procs.Source, done func(), why error) {
	s, err := taskscan.New()
	if err != nil {
		return procs.ByProc(measure.Host()), func() {}, err
	}
	return procs.ByIterator(s), s.Close, nil
}

func ps(stdout, stderr io.Writer, kernel measure.FS, source procs.Source, why error, o psOptions) error {
	if _, err := parseFormat(o.format); err != nil {
		return err
	}
	if o.warn >= 0 || o.crit >= 0 {
		return checkZombies(stdout, kernel, source, o)
	}
	machine, err := kernel.Machine()
	if err != nil {
		return err
	}
	each, err := findCost(o.from, machine)
	if err != nil {
		return err
	}
	found, err := procs.Scan(kernel, source)
	if err != nil {
		return err
	}
	if found.Hidden {
		fmt.Fprintln(stderr, "zombench: processes of other users are hidden here (hidepid); root sees them all")
	}
	if why != nil {
		fmt.Fprintf(stderr, "zombench: when zombies died is not known, and looking at them costs memory of the kernel: %v\n", why)
	}
	if o.textfile != "" {
		var e exporter.Exporter
		e.Update(watch.Snapshot(watch.Options{FS: kernel, Pages: each.Pages, Charge: each.Charge}, found, time.Now()))
		return e.WriteTextfile(o.textfile)
	}
	return writeDoc(stdout, newPsAnswer(found, each).doc(), o.format)
}

// checkZombies is the check of --warn and --crit, by the guidelines for plugins of
// Nagios: a line with what it is about, performance data behind a bar, and the exit
// status.
func checkZombies(stdout io.Writer, kernel measure.FS, source procs.Source, o psOptions) error {
	found, err := procs.Scan(kernel, source)
	if err != nil {
		fmt.Fprintf(stdout, "ZOMBIES UNKNOWN - %v\n", err)
		return &exitError{code: 3}
	}
	state, status := "OK", 0
	switch {
	case o.crit >= 0 && found.Zombies >= o.crit:
		state, status = "CRITICAL", 2
	case o.warn >= 0 && found.Zombies >= o.warn:
		state, status = "WARNING", 1
	}
	line := fmt.Sprintf("ZOMBIES %s - %s", state, plural(found.Zombies, "zombie"))
	if len(found.Parents) > 0 {
		p := found.Parents[0]
		line += fmt.Sprintf(", %d of them of %d (%s)", p.Zombies, p.PID, strings.ReplaceAll(clip(p.Command, 60), "|", "/"))
	}
	if n := len(found.Leaders); n > 0 {
		line += fmt.Sprintf("; %s of which only the main thread has ended", plural(n, "process"))
	}
	threshold := func(n int) string {
		if n < 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	fmt.Fprintf(stdout, "%s | zombies=%d;%s;%s;0\n", printable(line), found.Zombies, threshold(o.warn), threshold(o.crit))
	if status > 0 {
		return &exitError{code: status}
	}
	return nil
}

// printable replaces what would break a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// A psAnswer is what ps says.
type psAnswer struct {
	Zombies     int            `json:"zombies"`
	Bytes       uint64         `json:"holds_bytes"` // slab pages of all
	Zombie      cost           `json:"zombie"`
	Parents     []psParent     `json:"parents"`           // the one with the most zombies first
	LeaderEnded int            `json:"leader_ended"`      // look like zombies, but only their main thread has ended
	Leaders     []procs.Leader `json:"leaders,omitempty"` // those
}

type psParent struct {
	procs.Parent
	Bytes uint64 `json:"holds_bytes"`
}

func newPsAnswer(found *procs.Result, each cost) *psAnswer {
	a := &psAnswer{
		Zombies: found.Zombies, Bytes: uint64(found.Zombies) * each.Pages, Zombie: each,
		Parents: []psParent{}, LeaderEnded: len(found.Leaders), Leaders: found.Leaders,
	}
	for _, p := range found.Parents {
		a.Parents = append(a.Parents, psParent{p, uint64(p.Zombies) * each.Pages})
	}
	return a
}

// doc is the document.
func (a *psAnswer) doc() report.Doc {
	d := report.Doc{Title: "Zombies", Data: a}
	if a.Zombies == 0 {
		d.Facts = append([]string{"no process has zombies" + a.leaderEnded()}, a.verdicts()...)
		return d
	}
	d.Facts = []string{fmt.Sprintf("%s of %s: %s of memory%s%s", plural(a.Zombies, "zombie"),
		plural(len(a.Parents), "parent"), humanBytes(a.Bytes), a.Zombie.assumed(), a.leaderEnded())}
	d.Facts = append(d.Facts, a.verdicts()...)
	oldest, dead := "oldest started", slices.ContainsFunc(a.Parents, func(p psParent) bool { return p.Dead != nil })
	if dead {
		oldest = "oldest died"
	}
	t := report.Table{Columns: []report.Column{
		{Name: "zombies"}, {Name: "memory" + a.Zombie.assumed(), Unit: "B"}, {Name: oldest, Unit: "sec"}, {Name: "in the last minute"}, {Name: "parent"},
		{Name: "SIGCHLD", Left: true}, {Name: "reaper", Left: true}, {Name: "would reap", Left: true},
		{Name: "cgroup", Left: true}, {Name: "pod", Left: true}, {Name: "container", Left: true}, {Name: "command", Left: true}}}
	advice := report.Section{}
	const most = 10
	for i, p := range a.Parents {
		reaper, reaps := "", ""
		if p.Reaper != nil {
			reaper, reaps = fmt.Sprintf("%d %s", p.Reaper.PID, p.Reaper.Name), string(p.Reaper.Reaps)
		}
		age, recent := p.Age, report.Words("")
		if p.Dead != nil {
			age = *p.Dead
		}
		if p.Recent != nil {
			recent = report.Number(float64(*p.Recent), strconv.Itoa(*p.Recent))
		}
		t.Rows = append(t.Rows, []report.Cell{
			report.Number(float64(p.Zombies), strconv.Itoa(p.Zombies)), report.Number(float64(p.Bytes), humanBytes(p.Bytes)),
			report.Number(age.Seconds(), humanDuration(age, true)+" ago"), recent, report.Number(float64(p.PID), strconv.Itoa(p.PID)),
			report.Words(string(p.SIGCHLD)), report.Words(reaper), report.Words(reaps),
			report.Words(p.Cgroup), report.Words(p.Pod), report.Words(p.Container), report.Words(clip(p.Command, 60))})
		switch {
		case i < most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("%d: %s", p.PID, p.Advice))
			if p.Removed > 0 {
				advice.Notes = append(advice.Notes, fmt.Sprintf("%d: its zombies keep %s in memory, each with all of its controllers and a part for each possible CPU; zombench run dress --dress grave measures how much that is",
					p.PID, plural(p.Removed, "removed cgroup")))
			}
			if p.Reaper != nil {
				advice.Notes = append(advice.Notes, fmt.Sprintf("%d: reaper: %s", p.PID, p.Reaper.Why))
			}
		case i == most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("and %s more; --format json has all", plural(len(a.Parents)-most, "parent")))
		}
	}
	d.Sections = []report.Section{{Tables: []report.Table{t.WithoutEmpty()}, Notes: []string{a.Zombie.String()}}, advice}
	return d
}

// verdicts names the processes that look like zombies and are none.
func (a *psAnswer) verdicts() []string {
	var all []string
	for _, l := range a.Leaders {
		if len(l.States) > 0 {
			all = append(all, l.Verdict())
		}
	}
	return all
}

func (a *psAnswer) leaderEnded() string {
	if a.LeaderEnded == 0 {
		return ""
	}
	return fmt.Sprintf("; not among them: %s of which only the main thread has ended", plural(a.LeaderEnded, "process"))
}
