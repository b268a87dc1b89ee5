package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"zombench/measure"
	"zombench/measure/procs"
	"zombench/results/table"
)

func newPs() *cobra.Command {
	var from, format string
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Tell who leaves zombies behind, what they cost, and what helps",
		Long: `Ps lists the processes that leave zombies behind now, the one with the most
first: how many, how long ago the oldest of them was started (when it ended,
nobody records), what they hold, and in which cgroup the parent is.

It also tells what the parent does about SIGCHLD (ignored, handled, blocked to be
taken by sigwait or signalfd, default), and who would inherit the zombies if it
ended: the init of its pid namespace or, by the names of those that are known to
be, a subreaper. That one may be another process, since /proc does not tell who
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
	f.StringVar(&from, "from", "", "result `file` that tells what a zombie takes (default: as zombench limits)")
	f.StringVar(&format, "format", "text", "format of the answer: text or json")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func ps(stdout, stderr io.Writer, kernel measure.FS, from, format string) error {
	if format != "text" && format != "json" {
		return usageErrorf("--format: unknown format %q: want text or json", format)
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
	c := newPsAnswer(found, each)
	if found.Hidden {
		fmt.Fprintln(stderr, "zombench: processes of other users are hidden here (hidepid); root sees them all")
	}
	write := c.text
	if format == "json" {
		write = func(w io.Writer) error { return writeJSON(w, c) }
	}
	if err := write(stdout); err != nil {
		return fmt.Errorf("writing who leaves zombies: %w", err)
	}
	return nil
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

func (a *psAnswer) text(w io.Writer) error {
	if a.Zombies == 0 {
		_, err := fmt.Fprintln(w, "nobody leaves zombies behind"+a.leaderEnded())
		return err
	}
	sentence := fmt.Sprintf("%s of %s: %s of memory%s%s", plural(a.Zombies, "zombie"),
		plural(len(a.Parents), "parent"), humanBytes(a.Bytes), a.Zombie.assumed(), a.leaderEnded())
	header := []string{"zombies", "memory" + a.Zombie.assumed(), "oldest started", "parent", "SIGCHLD", "reaper", "would reap", "cgroup", "command"}
	var rows [][]string
	for _, p := range a.Parents {
		row := []string{
			strconv.Itoa(p.Zombies), humanBytes(p.Bytes), humanDuration(p.Age, true) + " ago",
			strconv.Itoa(p.PID), string(p.SIGCHLD), "", "", p.Cgroup, clip(p.Command, 60),
		}
		if p.Reaper != nil {
			row[5], row[6] = fmt.Sprintf("%d %s", p.Reaper.PID, p.Reaper.Name), string(p.Reaper.Reaps)
		}
		rows = append(rows, row)
	}
	if err := writeText(w, sentence, header, rows, a.Zombie.String()); err != nil {
		return err
	}
	const most = 10
	fmt.Fprintln(w)
	for i, p := range a.Parents {
		if i == most {
			fmt.Fprintf(w, "and %s more; --format json tells of all\n", plural(len(a.Parents)-most, "parent"))
			break
		}
		fmt.Fprintf(w, "%d: %s\n", p.PID, p.Advice)
		if p.Reaper != nil {
			fmt.Fprintf(w, "%*s  reaper: %s\n", len(strconv.Itoa(p.PID)), "", table.Printable(p.Reaper.Why))
		}
	}
	return nil
}

func (a *psAnswer) leaderEnded() string {
	if a.LeaderEnded == 0 {
		return ""
	}
	return fmt.Sprintf("; not among them: %s of which only the main thread has ended", plural(a.LeaderEnded, "process"))
}
