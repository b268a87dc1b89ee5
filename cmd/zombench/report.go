package main

import (
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"

	"zombench/results"
)

func newReport() *cobra.Command {
	var c answerFlags
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Summarize and compare result files",
		Long: `Report summarizes result files: for memory, one sentence for each kernel and way of
spawning, and what one zombie holds; for every benchmark, a table of what was
measured.

With --col or --row it compares: one table for each unit, with medians, their 95 %
intervals, the change against the first column, its p-value and the number of
samples. Projections and filters have the syntax and meaning of benchstat's (go doc
golang.org/x/perf/benchproc/syntax); the key series is the first two numbers of the
kernel's version. Unlike benchstat, which makes a table for each configuration,
report splits tables only where a cell would otherwise mix trials of different
configurations, and notes in what else the columns differ.

If there are results of many nodes (the key node, see zombench run --node), one line
summarizes those on which zombies hold nearly the same, and the others are named.
--row node makes a row for each node.

A line that cannot be read is reported and skipped, and the exit status is 1.`,
		Example: `  zombench report results/local/mine.txt
  zombench report --per 1 --format markdown old.txt new.txt
  zombench report --col kernel --unit kmem-B old.txt new.txt
  zombench report --col /parallel --row /count --filter '/spawn:exec' mine.txt
  zombench report --row series@num --col goarch --ignore kernel,/count,/parallel --medians old.txt new.txt
  zombench report --row node --col kernel --unit kmem-B --ignore /count,/parallel old.txt new.txt
  zombench report --format html mine.txt > mine.html
  zombench report --plot mine.svg mine.txt`,
		Args: takes(1, many, "at least one result file, such as zombench run -o FILE makes"),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := c.check(); err != nil {
				return err
			}
			debug.SetGCPercent(30) // files of a fleet are large, and stay until the end
			load := results.LoadValues
			if c.format.NeedsReadings() || c.plot.path != "" {
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
	flags.StringVar(&c.query.Col, "col", "", "one column for each value of this `PROJECTION`, as in benchstat (default the file)")
	queryFlags(flags, &c.query)
	flags.StringVar(&c.query.Table, "table", "", "one table for each value of this `PROJECTION`, as in benchstat")
	flags.BoolVar(&c.query.Medians, "medians", false, "in comparisons, print medians only")
	c.register(cmd)
	cmd.ValidArgsFunction = resultFiles
	completeQuery(cmd)
	return cmd
}
