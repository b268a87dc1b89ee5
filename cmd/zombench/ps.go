package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"zombench/measure"
	"zombench/measure/procs"
	"zombench/results/report"
)

func newPs() *cobra.Command {
	var from, format string
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show which processes leave zombies behind, what these cost, and what helps",
		Long: `Ps lists the processes that leave zombies behind now, the one with the most
first: how many, how long ago the oldest of them was started (when it ended,
nobody records), what they hold, and in which cgroup the parent is.

It also says what the parent does about SIGCHLD (ignored, handled, blocked to be
taken by sigwait or signalfd, default), and who would inherit the zombies if it
ended: the init of its pid namespace or, by the names of those that are known to
be, a subreaper. That one may be another process, since /proc does not say who
is a subreaper.

It reads every process once and signals nobody.`,
		Example: `  zombench ps
  zombench ps --format json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ps(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), from, format)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&from, "from", "", "result `FILE` that says what a zombie takes (default: as zombench limits)")
	formatFlag(f, &format)
	completeFormat(cmd)
	return cmd
}

func ps(stdout, stderr io.Writer, kernel measure.FS, from, format string) error {
	if _, err := report.ParseFormat(format); err != nil {
		return usageErrorf("--format: %w", err)
	}
	machine, err := kernel.Machine()
	if err != nil {
		return err
	}
	each, err := findCost(from, machine)
	if err != nil {
		return err
	}
	found, err := procs.Scan(kernel)
	if err != nil {
		return err
	}
	if found.Hidden {
		fmt.Fprintln(stderr, "zombench: processes of other users are hidden here (hidepid); root sees them all")
	}
	return writeDoc(stdout, newPsAnswer(found, each).doc(), format)
}

// A psAnswer is what ps says.
type psAnswer struct {
	Zombies     int        `json:"zombies"`
	Bytes       uint64     `json:"holds_bytes"` // slab pages of all
	Zombie      cost       `json:"zombie"`
	Parents     []psParent `json:"parents"`      // the one with the most zombies first
	LeaderEnded int        `json:"leader_ended"` // look like zombies, but only their main thread has ended
}

type psParent struct {
	procs.Parent
	Bytes uint64 `json:"holds_bytes"`
}

func newPsAnswer(found *procs.Result, each cost) *psAnswer {
	a := &psAnswer{
		Zombies: found.Zombies, Bytes: uint64(found.Zombies) * each.Pages, Zombie: each,
		Parents: []psParent{}, LeaderEnded: found.LeaderEnded,
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
		d.Facts = []string{"nobody leaves zombies behind" + a.leaderEnded()}
		return d
	}
	d.Facts = []string{fmt.Sprintf("%s of %s: %s of memory%s%s", plural(a.Zombies, "zombie"),
		plural(len(a.Parents), "parent"), humanBytes(a.Bytes), a.Zombie.assumed(), a.leaderEnded())}
	t := report.Table{Columns: []report.Column{
		{Name: "zombies"}, {Name: "memory" + a.Zombie.assumed(), Unit: "B"}, {Name: "oldest started", Unit: "sec"}, {Name: "parent"},
		{Name: "SIGCHLD", Left: true}, {Name: "reaper", Left: true}, {Name: "would reap", Left: true},
		{Name: "cgroup", Left: true}, {Name: "command", Left: true}}}
	advice := report.Section{}
	const most = 10
	for i, p := range a.Parents {
		reaper, reaps := "", ""
		if p.Reaper != nil {
			reaper, reaps = fmt.Sprintf("%d %s", p.Reaper.PID, p.Reaper.Name), string(p.Reaper.Reaps)
		}
		t.Rows = append(t.Rows, []report.Cell{
			report.Number(float64(p.Zombies), strconv.Itoa(p.Zombies)), report.Number(float64(p.Bytes), humanBytes(p.Bytes)),
			report.Number(p.Age.Seconds(), humanDuration(p.Age, true)+" ago"), report.Number(float64(p.PID), strconv.Itoa(p.PID)),
			report.Words(string(p.SIGCHLD)), report.Words(reaper), report.Words(reaps),
			report.Words(p.Cgroup), report.Words(clip(p.Command, 60))})
		switch {
		case i < most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("%d: %s", p.PID, p.Advice))
			if p.Reaper != nil {
				advice.Notes = append(advice.Notes, fmt.Sprintf("%d: reaper: %s", p.PID, p.Reaper.Why))
			}
		case i == most:
			advice.Notes = append(advice.Notes, fmt.Sprintf("and %s more; --format json has all", plural(len(a.Parents)-most, "parent")))
		}
	}
	d.Sections = []report.Section{{Tables: []report.Table{t}, Notes: []string{a.Zombie.String()}}, advice}
	return d
}

func (a *psAnswer) leaderEnded() string {
	if a.LeaderEnded == 0 {
		return ""
	}
	return fmt.Sprintf("; not among them: %s of which only the main thread has ended", plural(a.LeaderEnded, "process"))
}
