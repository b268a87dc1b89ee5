package main

import (
	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/measure"
	"zombench/results/report"
	"zombench/results/report/host"
)

func newList(all func() []bench.Experiment) *cobra.Command {
	var format report.Format
	cmd := &cobra.Command{
		Use:   "list [EXPERIMENT...]",
		Short: "List the benchmarks, what they need, and whether this machine can run them",
		Long: `List lists the experiments of zombench run, each with the benchmarks that it runs by
default: what each measures, what it needs, and whether this user can run it on this
machine.`,
		Example: `  zombench list
  zombench list reaping --format markdown`,
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen := all()
			if len(args) > 0 {
				var err error
				if chosen, err = pick(chosen, args); err != nil {
					return err
				}
			}
			survey, err := bench.Survey(measure.Host())
			if err != nil {
				return err
			}
			defer survey.Close()
			return host.List(survey, chosen).Write(cmd.OutOrStdout(), format)
		},
	}
	formatFlag(cmd, &format)
	cmd.ValidArgsFunction = experimentNames(all)
	return cmd
}
