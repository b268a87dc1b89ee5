package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/procs"
	"zombench/measure/taskscan"
	"zombench/measure/watch"
	"zombench/measure/watch/exporter"
	"zombench/results/report"
	"zombench/results/report/host"
)

// psOptions are the flags of zombench ps.
type psOptions struct {
	from, textfile string
	format         report.Format
	warn, crit     int // 0: not asked
}

func newPs() *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show which processes leave zombies, what they cost, and what would reap them",
		Long: `Ps lists the processes that have zombies now, the one with the most first: how
many, how long the oldest has been dead, how many died in the last minute, how much
memory they hold, and the cgroup, pod and container of the parent.

It also shows how the parent handles SIGCHLD (ignored, handled, blocked as for
sigwait or signalfd, default), and which process would inherit the zombies if it
ended: the init of its pid namespace, or a subreaper. /proc does not show which
process is a subreaper, so well-known ones are recognized by name; another one would
be missed. Processes that look like zombies because their main thread has ended,
while other threads live, are listed separately.

Zombies are found by a BPF task iterator (Linux 5.8 with BTF; root, or CAP_BPF and
CAP_PERFMON), which allocates nothing in the kernel. Without it /proc is walked,
which costs a dentry and an inode for each process and does not show when one ended:
then the table has the time at which the oldest was started. Ps sends no signals.

With --warn or --crit it is a check for Nagios and the like: one line, and exit
status 0 (OK), 1 (--warn zombies or more), 2 (--crit or more) or 3 (unknown). For
node-problem-detector give --warn alone.`,
		Example: `  zombench ps
  zombench ps --format json
  zombench ps --warn 100 --crit 1000
  zombench ps --textfile /var/lib/prometheus/node-exporter/zombies.prom`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, done, why := findSource()
			defer done()
			return ps(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), source, why, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "result `FILE` with the size of a zombie (default: as for zombench limits)")
	formatFlag(cmd, &o.format)
	f.StringVar(&o.textfile, "textfile", "", "write metrics to this `FILE` for node_exporter's textfile collector, and nothing else")
	f.Var(bench.Int(&o.warn, 1, many), "warn", "as a check, exit with status 1 at `N` zombies or more")
	f.Var(bench.Int(&o.crit, 1, many), "crit", "as a check, exit with status 2 at `N` zombies or more")
	return cmd
}

// findSource returns the best way to list processes here. If it is /proc, why says
// what is missing.
func findSource() (source procs.Source, done func(), why error) {
	s, err := taskscan.New()
	if err != nil {
		return procs.ByProc(measure.Host()), func() {}, err
	}
	return s.Scan, s.Close, nil
}

func ps(stdout, stderr io.Writer, kernel measure.FS, source procs.Source, why error, o psOptions) error {
	if o.warn > 0 || o.crit > 0 {
		found, err := procs.Scan(kernel, source)
		line, status := host.Check(found, err, o.warn, o.crit)
		fmt.Fprintln(stdout, line)
		if status > 0 {
			return &exitError{code: status}
		}
		return nil
	}
	each, err := findCost(kernel, o.from)
	if err != nil {
		return err
	}
	found, err := procs.Scan(kernel, source)
	if err != nil {
		return err
	}
	if found.Hidden {
		fmt.Fprintln(stderr, "zombench: processes of other users are hidden (hidepid); run as root to see them")
	}
	if why != nil {
		fmt.Fprintf(stderr, "zombench: no BPF, so when zombies died is unknown, and looking at them costs kernel memory: %v\n", why)
	}
	if o.textfile != "" {
		e := exporter.New()
		e.Update(watch.Snapshot(watch.Options{FS: kernel, Pages: each.Pages, Charge: each.Charge}, found, time.Now()))
		return e.WriteTextfile(o.textfile)
	}
	return host.NewZombies(found, each).Doc().Write(stdout, o.format)
}
