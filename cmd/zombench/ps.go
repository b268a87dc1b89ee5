package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/measure"
	"zombench/results/report"
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
	c, err := takeCensus(kernel, each)
	if err != nil {
		return err
	}
	if c.hidden {
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

// A census says who leaves zombies.
type census struct {
	Zombies   int        `json:"zombies"`
	Bytes     uint64     `json:"holds_bytes"` // slab pages of all
	Zombie    cost       `json:"zombie"`
	Parents   []psParent `json:"parents"`    // the one with the most zombies first
	HalfEnded int        `json:"unreapable"` // look like zombies, but only their main thread has ended
	hidden    bool
}

// A psParent is a process that leaves zombies: the whole thread group, whichever
// of its threads has started them.
type psParent struct {
	PID       int                 `json:"pid"` // 0: outside of this pid namespace
	Command   string              `json:"command"`
	Cgroup    string              `json:"cgroup"`
	State     string              `json:"state"` // as in proc_pid_stat(5)
	Zombies   int                 `json:"zombies"`
	Bytes     uint64              `json:"holds_bytes"`
	OldestPID int                 `json:"oldest_pid"`
	OldestNs  int64               `json:"oldest_started_ns_ago"`
	SIGCHLD   measure.Disposition `json:"sigchld,omitempty"`
	Heir      *heir               `json:"heir,omitempty"` // nil: the parent is an init itself, or nothing is known
	Helps     string              `json:"helps"`

	init   bool
	oldest uint64 // start, in clock ticks
}

// takeCensus reads every process once, and those that leave zombies again.
func takeCensus(kernel measure.FS, each cost) (*census, error) {
	uptime, err := kernel.Uptime()
	if err != nil {
		return nil, err
	}
	all, err := kernel.Scan()
	if err != nil {
		return nil, err
	}
	c := &census{Zombie: each, Parents: []psParent{}, hidden: true}
	byPID := make(map[int]*psParent)
	family := kin{kernel: kernel, above: make(map[int]int, len(all)), zombies: make(map[int]int)}
	for _, b := range all {
		c.hidden = c.hidden && b.PID != 1
		family.above[b.PID] = b.PPid
		switch {
		case b.State != 'Z':
			continue
		case !b.Zombie():
			c.HalfEnded++
			continue
		}
		p := byPID[b.PPid]
		if p == nil {
			p = &psParent{PID: b.PPid, oldest: b.StartTicks}
			byPID[b.PPid] = p
		}
		if p.Zombies == 0 || b.StartTicks < p.oldest || b.StartTicks == p.oldest && b.PID < p.OldestPID {
			p.oldest, p.OldestPID = b.StartTicks, b.PID
			p.OldestNs = max(0, (uptime - b.Started()).Nanoseconds())
		}
		p.Zombies++
		family.zombies[b.PPid]++
		c.Zombies++
	}
	for _, p := range byPID {
		p.Bytes = uint64(p.Zombies) * each.Pages
		p.describe(&family)
		c.Parents = append(c.Parents, *p)
	}
	c.Bytes = uint64(c.Zombies) * each.Pages
	slices.SortFunc(c.Parents, func(a, b psParent) int {
		return cmp.Or(cmp.Compare(b.Zombies, a.Zombies), cmp.Compare(a.PID, b.PID))
	})
	return c, nil
}

// describe finds out who a parent is. What cannot be read is left empty: it may
// have ended meanwhile.
func (p *psParent) describe(family *kin) {
	if p.PID == 0 {
		p.Command = "(outside of this pid namespace)"
		p.Helps = "only a process outside of this pid namespace can collect them"
		return
	}
	status, err := family.kernel.Status(p.PID)
	if err != nil {
		p.Command = "(ended meanwhile)"
		p.Helps = "look again: it has ended, and its zombies went to another"
		return
	}
	p.Command, _ = family.kernel.Command(p.PID)
	if p.Command == "" {
		p.Command = "[" + status.Name + "]"
	}
	p.Cgroup, _ = family.kernel.CgroupPath(p.PID)
	p.State = string(status.State)
	p.SIGCHLD = status.Disposition(sigchld)
	p.init = p.PID == 1 || status.Init()
	if !p.init {
		p.Heir = family.heirOf(p.PID, status)
	}
	p.Helps = p.help()
}

// help says what would collect the zombies.
func (p *psParent) help() string {
	kill := func(signal string) string { return fmt.Sprintf("kill -%s %d", signal, p.PID) }
	var s string
	switch {
	case p.State == "T" || p.State == "t":
		s = "it is stopped and cannot wait for them: " + kill("CONT") + " lets it go on"
	case p.SIGCHLD == measure.Ignored:
		s = "it ignores SIGCHLD, which spares it zombies; these are older than that, traced, or were started with another signal: it must wait for them"
	case p.SIGCHLD == measure.Handled:
		s = "it handles SIGCHLD but leaves some: one signal may stand for many, so it must call waitpid until none is left; " + kill("CHLD") + " may make it try again"
	case p.SIGCHLD == measure.Blocked:
		s = "it takes SIGCHLD by sigwait or signalfd but leaves some: one signal may stand for many, so it must call waitpid until none is left; " + kill("CHLD") + " may make it try again"
	default:
		s = "it does nothing about SIGCHLD: it must call waitpid, or ignore SIGCHLD before they end"
	}
	if p.init {
		return s + "; it is the init here, so nobody else can: run one that reaps instead (docker run --init, tini)"
	}
	if p.Heir != nil && (p.Heir.Collects == collectsYes || p.Heir.Collects == collectsLikely) {
		s += fmt.Sprintf("; if it ends, pid %d (%s) inherits them", p.Heir.PID, p.Heir.Name)
	}
	return s
}

func (c *census) text(w io.Writer) error {
	if c.Zombies == 0 {
		_, err := fmt.Fprintln(w, "nobody leaves zombies behind"+c.halfEnded())
		return err
	}
	sentence := fmt.Sprintf("%s of %s: %s of memory%s%s", plural(c.Zombies, "zombie"),
		plural(len(c.Parents), "parent"), humanBytes(c.Bytes), c.Zombie.assumed(), c.halfEnded())
	header := []string{"zombies", "memory" + c.Zombie.assumed(), "oldest started", "parent", "SIGCHLD", "heir", "would collect", "cgroup", "command"}
	var rows [][]string
	for _, p := range c.Parents {
		row := []string{
			strconv.Itoa(p.Zombies), humanBytes(p.Bytes), humanDuration(time.Duration(p.OldestNs), true) + " ago",
			strconv.Itoa(p.PID), string(p.SIGCHLD), "", "", p.Cgroup, clip(p.Command, 60),
		}
		if p.Heir != nil {
			row[5], row[6] = fmt.Sprintf("%d %s", p.Heir.PID, p.Heir.Name), p.Heir.Collects
		}
		rows = append(rows, row)
	}
	if err := writeText(w, sentence, header, rows, c.Zombie.String()); err != nil {
		return err
	}
	const most = 10
	fmt.Fprintln(w)
	for i, p := range c.Parents {
		if i == most {
			fmt.Fprintf(w, "and %s more; --format json tells of all\n", plural(len(c.Parents)-most, "parent"))
			break
		}
		fmt.Fprintf(w, "%d: %s\n", p.PID, p.Helps)
		if p.Heir != nil {
			fmt.Fprintf(w, "%*s  heir: %s\n", len(strconv.Itoa(p.PID)), "", report.Printable(p.Heir.Why))
		}
	}
	return nil
}

func (c *census) halfEnded() string {
	if c.HalfEnded == 0 {
		return ""
	}
	return fmt.Sprintf("; not among them: %s of which only the main thread has ended", plural(c.HalfEnded, "process"))
}

// plural counts things.
func plural[T int | uint64](n T, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// clip shortens a text to so many characters.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
