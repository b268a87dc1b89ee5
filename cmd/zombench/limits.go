package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/measure/taskscan"
	"zombench/results/recorded"
	"zombench/results/report"
	"zombench/results/report/host"
)

// limitsOptions are the flags of zombench limits.
type limitsOptions struct {
	rate   string
	count  int
	cgroup string
	pid    int
	from   string
	format report.Format
	tasks  limits.Tasks // nil: a walk of /proc
}

func newLimits() *cobra.Command {
	var o limitsOptions
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Show which limit zombies hit first, and after how many",
		Long: `Limits lists every limit that zombies can reach here, how much of it is used, how
many more zombies fit and how much memory they would then hold, nearest limit first.
With --rate it also says when.

The limits are those of this process, of another (--pid), or of a cgroup (--cgroup,
given by its directory or its path). Other processes use them too, among them the
threads of zombench itself, so a few more zombies fit once it has ended.

The size of a zombie comes from the result file given by --from; otherwise from what
zombench run has measured on this kernel (results/local/KERNEL.txt), or from the
results built into this program, for this kernel or the nearest one of its
architecture. The output names the source.

Exit status: 0, or 1 if --count more zombies do not fit.`,
		Example: `  zombench limits
  zombench limits --rate 26/5m --cgroup /system.slice/cron.service
  zombench limits --pid 4711 --count 10000`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("cgroup") && o.cgroup == "" {
				return usageErrorf("--cgroup: the name is empty")
			}
			tasks, done, err := countTasks()
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "zombench: counting tasks costs memory of the kernel: %v\n", err)
			}
			defer done()
			o.tasks = tasks
			return answerLimits(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), o, time.Now())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.rate, "rate", "", "`RATE` at which zombies are left behind, such as 26/5m: says when each limit is reached")
	f.Var(bench.Int(&o.count, 1, many), "count", "exit with status 1 if `N` more zombies do not fit")
	f.StringVar(&o.cgroup, "cgroup", "", "limits of this cgroup, by its directory or `PATH`")
	f.Var(bench.Int(&o.pid, 1, many), "pid", "limits of the process `PID` (default: of this one)")
	f.StringVar(&o.from, "from", "", "result `FILE` with the size of a zombie")
	formatFlag(cmd, &o.format)
	return cmd
}

// countTasks returns how to count tasks without a trace; nil, which means a walk of
// /proc, and what is missing where that cannot be had.
func countTasks() (tasks limits.Tasks, done func(), err error) {
	c, err := taskscan.NewCounter()
	if err != nil {
		return nil, func() {}, err
	}
	return c.Count, c.Close, nil
}

// answerLimits answers for the machine in kernel as it is now.
func answerLimits(stdout, stderr io.Writer, kernel measure.FS, o limitsOptions, now time.Time) error {
	var every *limits.Rate
	if o.rate != "" {
		r, err := limits.ParseRate(o.rate)
		if err != nil {
			return usageErrorf("--rate: %w", err)
		}
		every = &r
	}
	each, err := findCost(kernel, o.from)
	if err != nil {
		return err
	}
	q := limits.Query{PID: o.pid, Cgroup: o.cgroup, Count: uint64(o.count), BytesPerZombie: each.Pages, ChargePerZombie: each.Charge, Tasks: o.tasks}
	found, err := limits.ReadHeadroom(kernel, q)
	if found == nil && err != nil {
		return err
	}
	if err != nil { // what could be read is good
		exitCode(stderr, fmt.Errorf("some limits cannot be read and are omitted: %w", err))
	}
	var inOrder []limits.Limit
	for _, b := range found {
		inOrder = append(inOrder, b.Limit)
	}
	refused := q.Check(inOrder)
	answer := host.Limits{Bounds: found, Query: q, Each: each, Rate: every, Now: now, Fit: refused == nil}
	if o.cgroup == "" { // of a cgroup nobody knows whose processes they will be
		if answer.Dressed, err = limits.ReadDressed(kernel, o.pid); err != nil {
			exitCode(stderr, fmt.Errorf("some limits are omitted: %w", err))
		}
	}
	if err := answer.Doc().Write(stdout, o.format); err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("%d zombies do not fit: %w", o.count, refused)
	}
	return nil
}

// findCost returns what a zombie takes: by the file that --from names, or by what is
// known of this machine.
func findCost(kernel measure.FS, from string) (recorded.Cost, error) {
	c, err := host.FindCost(kernel, from)
	if err != nil && from != "" {
		err = fmt.Errorf("--from: %w", err)
	}
	return c, err
}
