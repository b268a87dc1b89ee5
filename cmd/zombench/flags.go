package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench"
)

// Flags whose values are checked as they are parsed, before anything starts.

// many is as good as no upper bound.
const many = math.MaxInt32

// durationFlag adds a flag of a duration. If that is 0, usage says what it means.
func durationFlag(flags *pflag.FlagSet, p *time.Duration, name string, least time.Duration, usage string) {
	if flag := flags.VarPF(bench.Duration(p, least), name, "", usage); *p == 0 {
		flag.DefValue = ""
	}
}

// choiceFlag adds a flag of one out of several words, which shells complete.
func choiceFlag[T ~string](cmd *cobra.Command, p *T, name, usage string, all ...T) {
	c := choice[T]{p: p}
	for _, word := range all {
		c.words = append(c.words, string(word))
	}
	cmd.Flags().Var(c, name, usage+": "+strings.Join(c.words, ", "))
	complete(cmd, name, words(func([]string) []string { return c.words }))
}

// A choice is one out of several words.
type choice[T ~string] struct {
	p     *T
	words []string
}

func (c choice[T]) Type() string   { return "word" }
func (c choice[T]) String() string { return string(*c.p) }
func (c choice[T]) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("unknown value %q: want %s", s, strings.Join(c.words, ", "))
	}
	*c.p = T(s)
	return nil
}

// fieldFlags adds a flag for each field of experiments. What it returns sets the
// fields of those that run.
func fieldFlags(cmd *cobra.Command, all []bench.Experiment) (apply func(run []bench.Experiment) error) {
	shared := bench.ShareFields(all)
	for _, f := range shared {
		flag := cmd.Flags().VarPF(f, f.Name, "", f.Usage)
		if f.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		if words, ok := f.Value.(interface{ Allowed() []string }); ok {
			complete(cmd, f.Name, listed(func([]string) []string { return words.Allowed() }))
		}
	}
	return func(run []bench.Experiment) error {
		for _, f := range shared {
			if err := f.Apply(run); err != nil {
				return fieldError(err)
			}
		}
		return nil
	}
}

// fieldError makes a wrong command line of fields that make no sense.
func fieldError(err error) error { return usageErrorf("--%w", err) }

// pick finds experiments by name.
func pick(all []bench.Experiment, wanted []string) ([]bench.Experiment, error) {
	names := bench.Names(all)
	var run []bench.Experiment
	for i, name := range wanted {
		at := slices.Index(names, name)
		switch {
		case at < 0:
			return nil, usageErrorf("unknown experiment %q%s: want %s; zombench list shows their benchmarks", name, meant(name, names, ""), strings.Join(names, ", "))
		case slices.Contains(wanted[:i], name):
			return nil, usageErrorf("experiment %s is given twice", name)
		}
		run = append(run, all[at])
	}
	return run, nil
}
