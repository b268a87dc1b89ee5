package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench/kernels"
	"zombench/results/report"
	"zombench/results/report/host"
)

// patternHelp explains how kernels are named.
const patternHelp = `A kernel is named as list prints it (amd64-6.1.0-56), by a shell pattern over
such names (arm64-7.2*), or as the oldest or newest of an architecture or the
newest of a series: amd64-oldest, amd64-newest, amd64-6.12.`

func newKernels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "Measure other kernels in virtual machines",
		Long: `Kernels boots other Linux kernels in QEMU and measures them there. Memory is the
same under emulation as on bare metal; times are not, so they are omitted. The
kernels are your own files, or are downloaded from the Debian mirrors that this
machine uses, without being installed.`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKernelsRun(), newKernelsBisect(), newKernelsTry(), newKernelsList(), newKernelsFetch())
	return cmd
}

// kernelSource are the flags that say where kernels are looked for.
type kernelSource struct {
	suites  []string
	refresh bool
}

func (s *kernelSource) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&s.suites, "suite", nil, "Debian `suites` to look in; a list (default the system's own, "+strings.Join(kernels.DefaultSuites(), ", ")+")")
	flags.BoolVar(&s.refresh, "refresh", false, "download the package lists again, even if they are less than a day old")
}

func (s *kernelSource) resolver(stderr io.Writer) (*kernels.Resolver, error) {
	dir, err := kernels.CacheDir()
	if err != nil {
		return nil, err
	}
	return &kernels.Resolver{Dir: dir, Suites: s.suites, Refresh: s.refresh, Notice: func(line string) {
		fmt.Fprintf(stderr, "zombench: %s\n", line)
	}}, nil
}

// patternError makes a malformed pattern an error of the command line.
func patternError(err error) error {
	if errors.Is(err, path.ErrBadPattern) {
		return &exitError{usageStatus, err}
	}
	return err
}

// debianArchs translates names of architectures to Debian's.
func debianArchs(names []string) ([]string, error) {
	archs, err := kernels.DebianArchs(names)
	if err != nil {
		return nil, usageErrorf("--arch: %w", err)
	}
	return archs, nil
}

func newKernelsList() *cobra.Command {
	var source kernelSource
	var archs []string
	var cachedOnly bool
	var format report.Format
	cmd := &cobra.Command{
		Use:   "list [KERNEL...]",
		Short: "List the kernels that Debian offers",
		Long: `List prints the kernels that the Debian mirrors of this machine offer, and which
of them have been downloaded.

` + patternHelp,
		Example: `  zombench kernels list
  zombench kernels list --arch s390x,riscv64 --suite sid
  zombench kernels list 'amd64-*cloud*'`,
		RunE: func(cmd *cobra.Command, patterns []string) error {
			names, err := debianArchs(archs)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("arch") && (cachedOnly || len(patterns) > 0) {
				names = nil // those of the patterns, and any in the cache
			}
			r, err := source.resolver(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			listed, err := r.List(cmd.Context(), names, patterns, cachedOnly)
			if err != nil {
				return patternError(err)
			}
			return host.Kernels(listed).Write(cmd.OutOrStdout(), format)
		},
	}
	flags := cmd.Flags()
	source.register(flags)
	flags.StringSliceVar(&archs, "arch", []string{"amd64", "arm64"}, "`architectures`; a list, or all")
	flags.BoolVar(&cachedOnly, "cached", false, "only kernels that have been downloaded, without asking a mirror")
	formatFlag(cmd, &format)
	completeKernels(cmd)
	return cmd
}

func newKernelsFetch() *cobra.Command {
	var source kernelSource
	cmd := &cobra.Command{
		Use:   "fetch KERNEL...",
		Short: "Download kernels without installing them",
		Long: `Fetch downloads kernels from the Debian mirrors of this machine, verified by apt,
and unpacks their images into the cache under $XDG_CACHE_HOME/zombench. Nothing
is installed, and the system's own package state stays as it is.

` + patternHelp,
		Example: `  zombench kernels fetch amd64-newest
  zombench kernels fetch 's390x-*' --suite sid`,
		Args: takes(1, many, "at least one kernel, by a name that zombench kernels list prints"),
		RunE: func(cmd *cobra.Command, patterns []string) error {
			r, err := source.resolver(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			found, err := r.Find(cmd.Context(), patterns)
			for _, k := range found {
				fmt.Fprintln(cmd.OutOrStdout(), k.Path)
			}
			return patternError(err)
		},
	}
	source.register(cmd.Flags())
	completeKernels(cmd)
	return cmd
}
