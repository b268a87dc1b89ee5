package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zombench/results"
	"zombench/results/report"
)

// worseStatus is the exit status of a check that found something worse; that of
// one that could not be made is usageStatus.
const worseStatus = 1

func newCheck() *cobra.Command {
	var q report.Query
	var failOver string
	var format report.Format
	cmd := &cobra.Command{
		Use:   "check OLD NEW",
		Short: "Compare two result files, and fail on a significant regression",
		Long: `Check is a CI gate: it compares two result files, and fails if for any benchmark the
median of any unit got worse by more than --fail-over and the samples differ
significantly (Mann-Whitney U test, p <= 0.05). The unit metadata in the files says
which direction is worse (better=lower, better=higher); units without it are not
judged, nor are times of different machines.

It is an error if the files have nothing in common, if the new one lacks what the
old one has, or if there are too few samples for any difference to be significant:
otherwise such a check would always pass. --filter and --unit choose what to compare.

Exit status: 0 no regression, 1 a regression, 2 the files cannot be compared.`,
		Example: `  zombench check old.txt new.txt
  zombench check --fail-over 0.5% --unit kmem-B old.txt new.txt`,
		Args: takes(2, 2, "two result files, OLD and NEW"),
		RunE: func(cmd *cobra.Command, files []string) error {
			limit, err := parsePercent(failOver)
			if err != nil {
				return usageErrorf("--fail-over: %w", err)
			}
			set, errs := results.Load(files...)
			if len(errs) > 0 {
				return &exitError{usageStatus, errors.Join(errs...)}
			}
			verdict, err := report.Check(set, q, limit)
			if err != nil {
				for _, note := range verdict.Notes {
					fmt.Fprintln(cmd.ErrOrStderr(), results.Printable(note))
				}
				return &exitError{usageStatus, queryError(err)}
			}
			if err := verdict.Doc().Write(cmd.OutOrStdout(), format); err != nil {
				return &exitError{usageStatus, err}
			}
			if len(verdict.Worse) > 0 {
				return &exitError{code: worseStatus}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&failOver, "fail-over", "3%", "fail if a median got worse by more than this `PERCENTAGE`")
	formatFlag(cmd, &format)
	queryFlags(flags, &q)
	cmd.ValidArgsFunction = resultFiles
	completeQuery(cmd)
	return cmd
}

// parsePercent parses 3% or 3 as 0.03.
func parsePercent(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(v >= 0) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a percentage such as 3%%", s)
	}
	return v / 100, nil
}
