package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench/janitor"
	"zombench/bench/reapers"
	"zombench/results"
)

// subreaperCommand is the command by which a candidate is made a subreaper:
// nothing for people.
const subreaperCommand = "subreaper"

func newSubreaper() *cobra.Command {
	return &cobra.Command{
		Use:                subreaperCommand,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return reapers.Exec(args) },
	}
}

// reapersFlags are the flags of zombench reapers.
type reapersFlags struct {
	burst     int
	subreaper bool
	format    string
	out       string
	lock      string
}

func newReapers() *cobra.Command {
	var f reapersFlags
	cmd := &cobra.Command{
		Use:   "reapers [COMMAND...]",
		Short: "Put inits for containers on trial",
		Long: `Reapers runs each COMMAND as the init of a fresh pid namespace (with --subreaper
as a child subreaper instead) in a fresh cgroup, with the same nasty brood: double
forks, grandchildren, a burst of orphans that die at the same time, children that
die while everything shuts down. The command of the brood is appended to COMMAND,
as inits take it. Without a COMMAND the known inits on PATH are tried: ` + strings.Join(reapers.Known, ", ") + `.

What counts: zombies that are left after a second, the time to collect all, how
many of five signals are handed on (SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGTERM), whether the init
ends as its program did, and the kernel memory that is not given back.

An init that never waits is on trial with them, and must fail.

Exit status: 0 every COMMAND passed, 1 one of them has a fault, 2 wrong command line.`,
		Example: `  zombench reapers
  zombench reapers tini dumb-init 'my-init --verbose'
  zombench reapers --subreaper 'tini -s --'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runReapers(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.burst, "burst", 1000, "orphans that die at the same time")
	flags.BoolVar(&f.subreaper, "subreaper", false, "try them as child subreapers, not as inits")
	flags.StringVar(&f.format, "format", "text", "format of the scores: text or markdown")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this file too, in the Go benchmark format")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock")
	return cmd
}

func runReapers(ctx context.Context, stdout, stderr io.Writer, f reapersFlags, args []string) (err error) {
	write := writeText
	switch f.format {
	case "text":
	case "markdown":
		write = writeMarkdown
	default:
		return usageErrorf("--format: unknown format %q: want text or markdown", f.format)
	}
	if f.burst < 1 || f.burst > 1<<15 {
		return usageErrorf("--burst: %d: want 1 to %d orphans", f.burst, 1<<15)
	}
	candidates, err := parseCandidates(args)
	if err != nil {
		return err
	}
	out, err := openOutput(f.out, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	lab, err := openLab(ctx, "", f.lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	out.header = reapersHeader(lab.Machine.Kernel, lab.Machine.CPU, lab.CgroupKind(), lab.Machine.PageSize)
	for _, notice := range lab.Notices {
		fmt.Fprintf(stderr, "zombench: %s\n", notice)
	}

	o := reapers.Options{Burst: f.burst}
	as := "the init of a pid namespace"
	if f.subreaper {
		o.Subreaper, as = []string{subreaperCommand}, "a child subreaper"
	}
	var scores []reapers.Score
	var failed []string
	for _, c := range candidates {
		score, err := reapers.Try(ctx, lab, c, o)
		if err != nil {
			if ctx.Err() != nil {
				return &exitError{interruptStatus, errors.New("interrupted")}
			}
			return err
		}
		if err := out.WriteTrial(score.Result(o)); err != nil {
			return err
		}
		scores = append(scores, score)
		faults := score.Faults()
		switch {
		case c.Control && score.Left < score.Orphans:
			return fmt.Errorf("the control, an init that never waits, left %d zombies of %d: the trials mean nothing", score.Left, score.Orphans)
		case !c.Control && faults != nil:
			failed = append(failed, c.Name)
		}
	}
	header, rows := scoreTable(scores)
	sentence := fmt.Sprintf("%d of %s passed as %s over a brood of %d orphans, %d of them dead at once",
		len(scores)-1-len(failed), plural(len(scores)-1, "candidate"), as, scores[0].Orphans, f.burst)
	if err := write(stdout, sentence, header, rows, "zombies left after 1 s; collected: from their death until none was left"); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("not fit to be an init: %s", strings.Join(failed, ", "))
	}
	return nil
}

// parseCandidates returns those that are asked for, or those that are known and
// here, and the control.
func parseCandidates(args []string) ([]reapers.Candidate, error) {
	var candidates []reapers.Candidate
	for _, arg := range args {
		c, err := reapers.Parse(arg)
		if err != nil {
			return nil, usageErrorf("%q: %w", arg, err)
		}
		candidates = append(candidates, c)
	}
	if len(args) == 0 {
		for _, name := range reapers.Known {
			c, err := reapers.Parse(name)
			switch {
			case errors.Is(err, exec.ErrNotFound):
			case err != nil:
				return nil, err
			default:
				candidates = append(candidates, c)
			}
		}
		if len(candidates) == 0 {
			return nil, fmt.Errorf("no known init is on PATH; install one (apt-get install %s) or name a command", strings.Join(reapers.Known, " "))
		}
	}
	return append(candidates, reapers.NeverWaits()), nil
}

func scoreTable(scores []reapers.Score) (header []string, rows [][]string) {
	header = []string{"init", "zombies left", "collected in", "signals", "exit status", "memory kept", "verdict"}
	for _, s := range scores {
		collected, status, kept := "-", strconv.Itoa(s.Status), "-"
		if s.Collected > 0 {
			collected = s.Collected.Round(10 * time.Microsecond).String()
		}
		if s.Status < 0 {
			status = "killed"
		}
		if s.Kept != nil {
			kept = humanBytes(uint64(math.Max(*s.Kept, 0)))
		}
		verdict := "passed"
		if faults := s.Faults(); faults != nil {
			verdict = "failed: " + strings.Join(faults, ", ")
		}
		if s.Control {
			verdict = "control, " + verdict
		}
		rows = append(rows, []string{s.Name, strconv.Itoa(s.Left), collected,
			fmt.Sprintf("%d of %d", s.Signals, s.Asked), status, kept, verdict})
	}
	return header, rows
}

func reapersHeader(kernel, cpu, cgroups string, pageSize int) results.Header {
	return results.Header{
		Config: []results.Param{
			{Key: "kernel", Value: kernel}, {Key: "goos", Value: runtime.GOOS}, {Key: "goarch", Value: runtime.GOARCH},
			{Key: "cpu", Value: cpu}, {Key: "page-size", Value: strconv.Itoa(pageSize)}, {Key: "cgroup", Value: cgroups},
		},
		Comments: []string{"zombench " + version() + ", " + time.Now().UTC().Format(time.RFC3339)},
		Units: []results.Unit{
			{Name: reapers.UnitLeft, Meta: "assume=exact"},
			{Name: reapers.UnitTime, Meta: "better=lower"},
			{Name: reapers.UnitSignals, Meta: "assume=exact"},
			{Name: reapers.UnitStatus, Meta: "assume=exact"},
			{Name: reapers.UnitKept, Meta: "better=lower"},
		},
	}
}
