package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/results"
	"zombench/results/table"
)

// queryFlags add the flags of a query, the same for every command that reads
// result files.
func queryFlags(flags *pflag.FlagSet, q *results.Query) {
	flags.StringVar(&q.Filter, "filter", "", "use only trials and units that match this `query`, as in benchstat")
	flags.StringVar(&q.Row, "row", "", "a row for each distinct value of this `projection`, as in benchstat (default the benchmark's name)")
	flags.StringVar(&q.Ignore, "ignore", "", "let these `keys` vary within a cell, as in benchstat")
	flags.StringSliceVar(&q.Units, "unit", nil, "only these `units` in tables, such as kmem-B; a list")
}

func newReport() *cobra.Command {
	var q results.Query
	var format string
	var plot plotFlags
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Answer from result files",
		Long: `Report prints the answer that result files hold: one sentence for each kernel
and way of spawning, and a table of all that was measured. Of files that
zombench ends wrote it prints their tables, as text or Markdown.

With --col or --row it compares: a table for each instrument, with the medians,
their 95 % intervals, the change against the first column, its p-value and the
number of samples. Projections and filters are written, and mean, what they do in
benchstat (go doc golang.org/x/perf/benchproc/syntax); a key of benchmark names,
such as count, needs no slash, and series is a kernel's first two numbers. Where benchstat makes a table for each
configuration, report makes only those that it takes for no cell to mix trials of
different configurations, and says in what else the columns differ.

A line that cannot be read is named on standard error and left out, and the exit
status is 1.`,
		Example: `  zombench report results/local/mine.txt
  zombench report --per 1 --format markdown old.txt new.txt
  zombench report --col kernel --unit kmem-B old.txt new.txt
  zombench report --col parallel --row count --filter 'spawn:exec' mine.txt
  zombench report --row series@num --col goarch --ignore kernel,count,parallel --medians old.txt new.txt
  zombench report --format html mine.txt > mine.html
  zombench report --plot mine.svg mine.txt
  zombench report --plot - mine.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("report needs at least one result file; zombench run -o FILE makes one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			f, err := results.ParseFormat(format)
			if err != nil {
				return usageErrorf("--format: %w", err)
			}
			if err := plot.check(); err != nil {
				return err
			}
			if cmd.Flags().Changed("per") && q.Per < 1 {
				return usageErrorf("--per: %d zombies; want 1 or more", q.Per)
			}
			set, errs := results.Load(files...)
			if len(set.Records) == 0 && !cmd.Flags().Changed("plot") {
				if done, err := writeFates(cmd.OutOrStdout(), files, f); done {
					return err
				}
			}
			if len(set.Records) > 0 {
				if err := writeReport(cmd.OutOrStdout(), set, q, f, plot); err != nil {
					return errors.Join(append(errs, err)...)
				}
			}
			return errors.Join(errs...)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&format, "format", "text", fmt.Sprintf("format of the report: %v", results.Formats()))
	flags.StringVar(&q.Col, "col", "", "a column for each distinct value of this `projection`, as in benchstat (default the file)")
	queryFlags(flags, &q)
	flags.StringVar(&q.Table, "table", "", "a table for each distinct value of this `projection`, as in benchstat")
	flags.BoolVar(&q.Medians, "medians", false, "in comparisons, print the medians alone")
	flags.IntVar(&q.Per, "per", 1000, "the number of `zombies` that the answer speaks of")
	plot.register(flags)
	return cmd
}

func writeReport(w io.Writer, set *results.Set, q results.Query, f results.Format, plot plotFlags) error {
	report, err := set.Report(q)
	if err != nil {
		return queryError(err)
	}
	if plot.path != "" && plot.path != "-" {
		if err := plot.draw(w, report); err != nil {
			return err
		}
	}
	if err := report.Write(w, f); err != nil {
		return err
	}
	if plot.path == "-" {
		return plot.draw(w, report)
	}
	return nil
}

// writeFates reports files that tell of how zombies end and of nothing else. If
// they are not all of that kind it has done nothing.
func writeFates(w io.Writer, files []string, f results.Format) (done bool, err error) {
	var all []results.Fates
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return false, nil // has been said
		}
		fates, errs := results.ReadFates(file, name)
		file.Close()
		if len(errs) > 0 {
			return false, nil
		}
		all = append(all, fates)
	}
	if f != results.Text && f != results.Markdown {
		return true, usageErrorf("--format: how zombies end is not told as %s: want %s or %s", f, results.Text, results.Markdown)
	}
	for i, fates := range all {
		if len(all) > 1 {
			sep := "\n"
			if i == 0 {
				sep = ""
			}
			fmt.Fprintf(w, "%s%s:\n\n", sep, table.Printable(files[i]))
		}
		if err := fates.Write(w, f); err != nil {
			return true, err
		}
	}
	return true, nil
}

// queryError makes a wrong command line of a query that cannot be answered.
func queryError(err error) error {
	if _, ok := errors.AsType[*results.QueryError](err); ok {
		return usageErrorf("--%w", err)
	}
	return err
}
