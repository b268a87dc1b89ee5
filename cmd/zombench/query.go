package main

import (
	"errors"

	"github.com/spf13/pflag"

	"zombench/results/report"
)

// queryFlags adds the flags of a query, the same for every command that reads
// result files.
func queryFlags(flags *pflag.FlagSet, q *report.Query) {
	flags.StringVar(&q.Filter, "filter", "", "use only trials and units that match this `QUERY`, as in benchstat")
	flags.StringVar(&q.Row, "row", "", "a row for each distinct value of this `PROJECTION`, as in benchstat (default the benchmark's parameters)")
	flags.StringVar(&q.Ignore, "ignore", "", "let these `KEYS` vary within a cell, as in benchstat")
	flags.StringSliceVar(&q.Units, "unit", nil, "only these `UNITS` in tables, such as kmem-B")
}

// queryError makes a wrong command line of a query that cannot be answered.
func queryError(err error) error {
	if _, ok := errors.AsType[*report.QueryError](err); ok {
		return usageErrorf("--%w", err)
	}
	return err
}
