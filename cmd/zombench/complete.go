package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/results"
	"zombench/results/report"
	"zombench/results/stats"
)

// What shells complete, and what was probably meant by what nobody knows.

// completions complete a word, given the arguments before it.
type completions = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// words complete one word out of several.
func words(list func(args []string) []string) completions {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return list(args), cobra.ShellCompDirectiveNoFileComp
	}
}

// listed complete the last word of a list with commas.
func listed(list func(args []string) []string) completions {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		before := word[:strings.LastIndexByte(word, ',')+1]
		var all []string
		for _, w := range list(args) {
			all = append(all, before+w)
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// resultFiles complete arguments that are result files.
func resultFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"txt"}, cobra.ShellCompDirectiveFilterFileExt
}

// experimentNames are the experiments that were not named yet.
func experimentNames(all func() []bench.Experiment) completions {
	return words(func(args []string) []string {
		var names []string
		for _, e := range all() {
			if !slices.Contains(args, e.Name) {
				names = append(names, e.Name+"\t"+e.Asks)
			}
		}
		return names
	})
}

// benchNames are the benchmarks of experiments, as they are run by default.
func benchNames(all func() []bench.Experiment) completions {
	return words(func(args []string) []string {
		var names []string
		run, err := pick(all(), args)
		if len(args) == 0 || err != nil {
			run = all()
		}
		for _, e := range run {
			setups, _ := e.Setups() // those that can be had without further words
			for _, s := range setups {
				names = append(names, s.Name()+"\t"+s.About)
			}
		}
		return names
	})
}

// ofFiles lists what the result files among the arguments have; what cannot be read
// is left out.
func ofFiles(list func(*results.Set) []string) completions {
	return listed(func(files []string) []string {
		set, _ := results.Load(files...)
		return list(set)
	})
}

// completeQuery completes the flags of a query by the files that it is about.
func completeQuery(cmd *cobra.Command) {
	for _, flag := range []string{"col", "row", "table", "ignore"} {
		complete(cmd, flag, ofFiles(report.Keys))
	}
	complete(cmd, "unit", ofFiles(func(set *results.Set) []string {
		return stats.Units(stats.Trials(stats.Setups(set.Records)...))
	}))
}

// completeKernels completes the kernels of a command, without asking a mirror: those
// that are here and patterns for others, but files too.
func completeKernels(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		names := kernels.DefaultKernels()
		if dir, err := kernels.CacheDir(); err == nil {
			cached, _ := debian.Cached(dir) // a name less to choose from
			for _, k := range cached {
				names = append(names, k.Name)
			}
		}
		return names, cobra.ShellCompDirectiveDefault
	}
	complete(cmd, "arch", listed(func([]string) []string {
		names := []string{"all"}
		for _, a := range vm.Archs() {
			names = append(names, a.Debian)
		}
		return names
	}))
}

// complete completes a flag, if the command has it.
func complete(cmd *cobra.Command, flag string, by completions) {
	if cmd.Flags().Lookup(flag) != nil {
		_ = cmd.RegisterFlagCompletionFunc(flag, by)
	}
}

// meant names what was probably meant by an unknown name: " (did you mean ...?)", ""
// if nothing is near.
func meant(name string, known []string, prefix string) string {
	if len(name) < 2 {
		return ""
	}
	list := cobra.Command{SuggestionsMinimumDistance: 2}
	for _, k := range known {
		list.AddCommand(&cobra.Command{Use: k, Run: func(*cobra.Command, []string) {}})
	}
	if near := list.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s%s?)", prefix, near[0])
	}
	return ""
}
