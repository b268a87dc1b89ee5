package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench"
	"zombench/measure"
	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/report"
)

func newExplain(all func() []bench.Experiment) *cobra.Command {
	var f harnessFlags
	var format report.Format
	var apply func([]bench.Experiment) error
	cmd := &cobra.Command{
		Use:   "explain [FILE...]",
		Short: "Break a zombie's memory down by slab cache",
		Long: `Explain prints the ledger of one zombie: each slab cache that grows with an army, how
large its objects are, how they pack into slabs, what the kernel uses them for, and
which function allocates them. Growth is attributed to the zombie itself, to
processes that looked at it in /proc, or to unrelated activity. Then it reconciles
the instruments, from objects to the charge of the cgroup and from the charge to
pages, and shows what remains unexplained.

Given result files, it explains those. Without one it measures this machine first:
armies of several sizes, then a trace of their allocations.

Exit status: 0 the ledger adds up (at most 0.5 % of the charge and 1.5 % of the pages
are unexplained), 1 it does not.`,
		Example: `  zombench explain
  zombench explain --spawn exec,os-exec
  zombench explain results/local/mine.txt --format markdown`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) > 0 {
				if err := onlyMeasuring(cmd, "format"); err != nil {
					return err
				}
				set, errs := results.Load(files...)
				if len(set.Records) > 0 {
					errs = append(errs, explain(cmd.OutOrStdout(), set, format))
				}
				return errors.Join(errs...)
			}
			run, err := explainedExperiments(all())
			if err != nil {
				return err
			}
			if _, err := measure.Host().Slabinfo(); err != nil {
				return fmt.Errorf("explain needs the slab caches (%w): run it as root, or give it a result file that root has measured", err)
			}
			if err := errors.Join(apply(run), f.complete(cmd)); err != nil {
				return err
			}
			f.summaryOnly = true
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), run, func(w io.Writer, set *results.Set) error {
				return explain(w, set, format)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	cmd.ValidArgsFunction = resultFiles
	formatFlag(cmd, &format)
	f.register(flags)
	if run, err := explainedExperiments(all()); err == nil {
		apply = fieldFlags(cmd, run)
	}
	return cmd
}

// onlyMeasuring returns an error that names the flags that were given and have no
// effect where files are read; those of reading are listed.
func onlyMeasuring(cmd *cobra.Command, reading ...string) error {
	var without []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(reading, f.Name) {
			without = append(without, "--"+f.Name)
		}
	})
	if len(without) > 0 {
		return usageErrorf("%s: no effect with result files, where nothing is measured", strings.Join(without, ", "))
	}
	return nil
}

// explainedExperiments returns what a ledger needs: armies of sizes that are far
// enough apart for slopes, then a trace of the allocations.
func explainedExperiments(all []bench.Experiment) ([]bench.Experiment, error) {
	run, err := pick(all, []string{"memory", "callsites"})
	if err != nil {
		return nil, err
	}
	return run, run[0].Set(map[string]string{"count": "500,1000,2000,4000", "parallel": "8"})
}

// explain prints the ledgers of a set, and fails if one does not add up.
func explain(w io.Writer, set *results.Set, format report.Format) error {
	ledgers, err := ledger.New(set.Records)
	if err != nil {
		return err
	}
	if err := report.Ledger(ledgers).Write(w, format); err != nil {
		return err
	}
	for _, l := range ledgers {
		if len(l.Unexplained()) > 0 {
			return errors.New("the ledger does not add up: see what is unexplained")
		}
	}
	return nil
}
