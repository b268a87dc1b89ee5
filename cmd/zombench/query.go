package main

import (
	"errors"

	"github.com/spf13/pflag"

	"zombench/results/report"
)

// queryFlags adds the flags of a query, the same for every command that reads
// result files.
func queryFlags(flags *pflag.FlagSet, q *report.Query) {
	flags.StringVar(&q.Filter, "filter", "", "use only trials and units that match `QUERY`, as in benchstat")
	flags.StringVar(&q.Row, "row", "", "one row for each value of this `PROJECTION`, as in benchstat (default the benchmark's parameters)")
	flags.StringVar(&q.Ignore, "ignore", "", "merge trials that differ in these `KEYS` only, as in benchstat")
	flags.StringSliceVar(&q.Units, "unit", nil, "show only these `UNITS`, such as kmem-B")
}

// queryError makes a wrong command line of a query that cannot be answered.
func queryError(err error) error {
	if _, ok := errors.AsType[*report.QueryError](err); ok {
		return usageErrorf("--%w", err)
	}
	return err
}
