package main

import (
	"os"

	"github.com/spf13/pflag"

	"zombench/bench/fleet"
	"zombench/results"
)

// nodeFlags say of which node results are, and what else is known of it.
type nodeFlags struct {
	name   string
	labels []string
}

func (f *nodeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "node", "", "`name` of this machine in the results (default $NODE_NAME, $SLURMD_NODENAME or the host's)")
	flags.StringArrayVar(&f.labels, "label", nil, "add `KEY=VALUE` to the results, such as zone=eu-1; may be given several times")
}

// config returns the keys that they add to a result file's configuration.
func (f *nodeFlags) config() ([]results.Param, error) {
	config, err := fleet.Config(f.name, f.labels, os.Getenv, os.Hostname)
	if err != nil {
		return nil, usageErrorf("--label: %w", err)
	}
	return config, nil
}
