package main

import (
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"

	"zombench/results"
	"zombench/results/report"
)

func newReport() *cobra.Command {
	var c answerFlags
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Summarize and compare result files",
		Long: `Report prints what result files say, of any benchmarks: for memory one sentence
for each kernel and way of spawning, and what one zombie holds; for every
benchmark a table of all that was measured.

With --col or --row it compares: a table for each unit, with the medians, their
95 % intervals, the change against the first column, its p-value and the number
of samples. Projections and filters are written, and mean, what they do in
benchstat (go doc golang.org/x/perf/benchproc/syntax), and series is a kernel's
first two numbers. Where benchstat makes a table for each configuration, report
makes only those that it takes for no cell to mix trials of different
configurations, and says in what else the columns differ.

Of many nodes (the key node, see zombench run --node) those on which zombies hold as
good as the same are told in one line, and those that differ are named. --row node
makes a row for each.

A line that cannot be read is named on standard error and excluded, and the exit
status is 1.`,
		Example: `  zombench report results/local/mine.txt
  zombench report --per 1 --format markdown old.txt new.txt
  zombench report --col kernel --unit kmem-B old.txt new.txt
  zombench report --col /parallel --row /count --filter '/spawn:exec' mine.txt
  zombench report --row series@num --col goarch --ignore kernel,/count,/parallel --medians old.txt new.txt
  zombench report --row node --col kernel --unit kmem-B --ignore /count,/parallel old.txt new.txt
  zombench report --format html mine.txt > mine.html
  zombench report --plot mine.svg mine.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("report needs at least one result file; zombench run -o FILE makes one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := c.check(); err != nil {
				return err
			}
			debug.SetGCPercent(30) // files of a fleet are large, and stay until the end
			load := results.LoadValues
			if report.Format(c.format).NeedsReadings() || c.plot.path != "" {
				load = results.Load
			}
			set, errs := load(files...)
			if len(set.Records) > 0 {
				errs = append(errs, c.write(cmd.OutOrStdout(), set))
			}
			return errors.Join(errs...)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&c.query.Col, "col", "", "a column for each distinct value of this `PROJECTION`, as in benchstat (default the file)")
	queryFlags(flags, &c.query)
	flags.StringVar(&c.query.Table, "table", "", "a table for each distinct value of this `PROJECTION`, as in benchstat")
	flags.BoolVar(&c.query.Medians, "medians", false, "in comparisons, print the medians alone")
	c.register(cmd)
	cmd.ValidArgsFunction = resultFiles
	completeQuery(cmd)
	return cmd
}
