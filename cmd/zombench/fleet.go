package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"zombench/bench/fleet"
)

func newFleet() *cobra.Command {
	j := fleet.Job{Kind: fleet.Run}
	cmd := &cobra.Command{
		Use:   "fleet ENGINE [run | watch | kernels] [-- ARGUMENT...]",
		Short: "Print a manifest or script that measures the nodes of a cluster",
		Long: `Fleet prints what an engine that runs a fleet takes to have zombench run on its
nodes: kubernetes (manifests), slurm and clush (scripts), ansible (a playbook). It
starts nothing.

run measures every node once; watch serves metrics of every node, or, with slurm, is
a health check that drains nodes without room for zombies; kernels measures other
kernels, a share of them on each node. Arguments behind -- are passed on to zombench.

Every result names its node, so that files and logs can be concatenated in any way:
zombench report tells nodes apart, and says in one line what those that are alike
have in common.`,
		Example: `  zombench fleet kubernetes --image registry.example/zombench:1 > measure.yaml
  zombench fleet kubernetes watch --image registry.example/zombench:1 > watch.yaml
  zombench fleet slurm -- --budget 2m > measure.sh
  zombench fleet slurm kernels --shards 24 -- --all > kernels.sh
  zombench fleet clush -- --label zone=eu-1 > measure.sh
  zombench fleet ansible > measure.yml`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return fleet.Engines, cobra.ShellCompDirectiveNoFileComp
			}
			return fleet.Kinds[args[0]], cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			words := args
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				words, j.Args = args[:n], args[n:]
			}
			switch len(words) {
			case 1:
			case 2:
				j.Kind = words[1]
			default:
				return usageErrorf("fleet takes an engine, one of %s, and a job; see zombench fleet --help", strings.Join(fleet.Engines, ", "))
			}
			j.Command = "zombench fleet " + strings.Join(words, " ")
			text, err := fleet.Recipe(words[0], j)
			if err != nil {
				return usageErrorf("fleet: %w", err)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&j.Image, "image", "localhost/zombench:latest", "`image` that holds the programs, where the engine runs containers (make image)")
	flags.IntVar(&j.Shards, "shards", 8, "of kernels: into how many `PARTS` the work is divided")
	flags.IntVar(&j.Room, "room", 10000, "of watch with slurm: nodes without room for so many more `ZOMBIES` are drained")
	return cmd
}
