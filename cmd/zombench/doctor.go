package main

import (
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/janitor"
	"zombench/bench/watchers"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results/report"
	"zombench/results/report/host"
)

func newDoctor() *cobra.Command {
	var zombied string
	var format report.Format
	d := host.Doctor{Watch: 5 * time.Second}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what can be measured here, and how to enable the rest",
		Long: `Doctor tries every instrument, and reports why one is missing and how to enable it.
It also reports how many zombies would fit on this machine, which limit would be
reached first, and which processes walk /proc: a monitor, an agent, an init. Results
count separately what these allocate and what zombies hold.

Exit status: 0 if zombench run works here, even if some instruments are missing;
1 if it does not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			here, ctx := measure.Host(), cmd.Context()
			d.Zombied, d.ZombiedErr = findZombied(zombied)
			if d.WatchErr = d.ZombiedErr; d.Watch > 0 && d.ZombiedErr == nil {
				d.Watchers, d.WatchErr = watchers.Find(ctx, bench.Options{FS: here, Zombied: d.Zombied, LockPath: janitor.Path()}, d.Watch)
				if ctx.Err() != nil {
					return interrupted(ctx, "while looking for watchers")
				}
			}
			if d.Survey, err = bench.Survey(here); err != nil {
				return err
			}
			defer d.Survey.Close()
			each, err := host.FindCost(here, "")
			if err != nil {
				return err
			}
			if d.Room, err = limits.ReadHeadroom(here, limits.Query{BytesPerZombie: each.Pages, ChargePerZombie: each.Charge, ExtraTasks: bench.SpareTasks}); err != nil {
				return err
			}
			if err := d.Doc().Write(cmd.OutOrStdout(), format); err != nil {
				return err
			}
			return d.Err()
		},
	}
	cmd.Flags().StringVar(&zombied, "zombied", "", "`PATH` of the daemon (default: beside zombench, then on PATH)")
	durationFlag(cmd.Flags(), &d.Watch, "watch", 0, "how long to watch for processes that walk /proc; 0: do not watch")
	formatFlag(cmd, &format)
	return cmd
}
