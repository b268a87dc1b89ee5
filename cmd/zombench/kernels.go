package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/bench/vm"
	"zombench/bench/vm/debian"
)

// defaultKernels are what `kernels run` runs when nothing is asked for: the
// oldest kernel that Debian keeps, that of its stable release (13, trixie), and
// the newest; and another architecture beside it.
var defaultKernels = []string{"amd64-oldest", "amd64-6.12", "amd64-newest", "arm64-newest"}

// defaultSuites are those that hold the kernels, besides the system's own: 5.10,
// 6.1, 6.12 and the newest.
var defaultSuites = []string{"bullseye", "bookworm", "trixie", "sid"}

// patternHelp explains how kernels are named.
const patternHelp = `A kernel is named as list prints it (amd64-6.1.0-56), by a shell pattern over
such names (arm64-7.2*), or as an architecture's oldest, newest, or newest of a
series: amd64-oldest, amd64-newest, amd64-6.12.`

func newKernels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "Measure other kernels in virtual machines",
		Long: `Kernels boots other Linux kernels in QEMU and measures them there: memory reads
the same under emulation as on the metal, time does not. Kernels come from the
Debian sources of this machine, without being installed, or are your own.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown command %q; see %s --help", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKernelsRun(), newKernelsList(), newKernelsFetch())
	return cmd
}

// A shelf is where kernels are found: fetched ones, and what Debian offers.
type shelf struct {
	dir     string   // cache directory
	suites  []string // none: the system's own and defaultSuites
	refresh bool
	warn    io.Writer
}

func (s *shelf) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&s.suites, "suite", nil, "Debian suites to look in; a list (default the system's own, "+strings.Join(defaultSuites, ", ")+")")
	flags.BoolVar(&s.refresh, "refresh", false, "fetch the package lists again, even if they are of today")
}

// open completes the shelf with what it stands on.
func (s *shelf) open(warn io.Writer) (err error) {
	s.warn = warn
	s.dir, err = debian.CacheDir()
	return err
}

// offers lists what Debian has for architectures, by Debian's names.
func (s *shelf) offers(ctx context.Context, archs []string) (*debian.Repo, []debian.Offer, error) {
	repo, err := debian.Open(s.dir)
	if err != nil {
		return nil, nil, err
	}
	suites := s.suites
	if len(suites) == 0 {
		suites = repo.Suites()
		for _, suite := range defaultSuites {
			if !slices.Contains(suites, suite) {
				suites = append(suites, suite)
			}
		}
	}
	offers, warnings, err := repo.List(ctx, suites, archs, s.refresh)
	for _, w := range warnings {
		fmt.Fprintf(s.warn, "zombench: %s\n", w)
	}
	return repo, offers, err
}

// find returns the kernels that patterns name, fetching what is not here.
// What cannot be had is in the error and does not keep the others away.
func (s *shelf) find(ctx context.Context, patterns []string) ([]vm.Kernel, error) {
	cached, err := debian.Cached(s.dir)
	if err != nil {
		return nil, err
	}
	var kernels []vm.Kernel
	var wanted, archs []string
	var errs []error
	for _, p := range patterns {
		if strings.ContainsRune(p, '/') {
			k, err := vm.Inspect(p)
			kernels, errs = appendKernel(kernels, errs, k, err)
			continue
		}
		// Whoever names suites, or wants fresh lists, wants what they have.
		if i := slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == p }); i >= 0 && len(s.suites) == 0 && !s.refresh {
			kernels, _ = appendKernel(kernels, nil, cached[i], nil)
			continue
		}
		some, err := archsOf(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		wanted = append(wanted, p)
		for _, a := range some {
			if !slices.Contains(archs, a) {
				archs = append(archs, a)
			}
		}
	}
	if len(wanted) == 0 {
		return kernels, errors.Join(errs...)
	}
	repo, offers, err := s.offers(ctx, archs)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		fmt.Fprintf(s.warn, "zombench: only kernels fetched before are at hand: %v\n", err)
		repo, offers = nil, offersOf(cached)
	}
	for _, p := range wanted {
		chosen, err := debian.Select(offers, []string{p})
		if err != nil {
			errs = append(errs, fmt.Errorf("%w; see zombench kernels list", err))
			continue
		}
		some, err := s.take(ctx, repo, cached, chosen)
		if err != nil {
			errs = append(errs, err)
		}
		for _, k := range some {
			kernels, _ = appendKernel(kernels, nil, k, nil)
		}
	}
	return kernels, errors.Join(errs...)
}

// take brings offers home; repo is nil if the offers are of the cache.
func (s *shelf) take(ctx context.Context, repo *debian.Repo, cached []vm.Kernel, offers []debian.Offer) ([]vm.Kernel, error) {
	if repo != nil {
		for _, o := range offers {
			if !slices.ContainsFunc(cached, func(k vm.Kernel) bool { return k.Name == o.Name && k.Version == o.Version }) {
				fmt.Fprintf(s.warn, "%s: fetching %s %s, %.0f MB\n", o.Name, o.Package, o.Version, float64(o.Size)/1e6)
			}
		}
		return repo.Fetch(ctx, offers)
	}
	var kernels []vm.Kernel
	for _, o := range offers {
		i := slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == o.Name })
		kernels = append(kernels, cached[i])
	}
	return kernels, nil
}

// appendKernel appends a kernel that is not there yet, or its error.
func appendKernel(kernels []vm.Kernel, errs []error, k vm.Kernel, err error) ([]vm.Kernel, []error) {
	switch {
	case err != nil:
		errs = append(errs, err)
	case !slices.ContainsFunc(kernels, func(have vm.Kernel) bool { return have.Name == k.Name && have.SHA256 == k.SHA256 }):
		kernels = append(kernels, k)
	}
	return kernels, errs
}

// offersOf makes offers of kernels that are here, to select from.
func offersOf(cached []vm.Kernel) []debian.Offer {
	var offers []debian.Offer
	for _, k := range cached {
		arch, err := vm.LookupArch(k.GOARCH)
		if err != nil {
			continue
		}
		offers = append(offers, debian.Offer{Name: k.Name, GOARCH: k.GOARCH, Arch: arch.Debian, Release: k.Release, Package: k.Package, Version: k.Version})
	}
	return offers
}

// archsOf returns the architectures, by Debian's names, that a pattern may be
// about.
func archsOf(pattern string) ([]string, error) {
	name, _, _ := strings.Cut(pattern, "-")
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, usageErrorf("kernel %q: %w", pattern, err)
	}
	var archs []string
	for _, a := range vm.Archs() {
		if ok, _ := path.Match(name, a.Debian); ok {
			archs = append(archs, a.Debian)
		}
	}
	if len(archs) == 0 {
		_, err := vm.LookupArch(name)
		return nil, fmt.Errorf("kernel %q: %w; a kernel's file is given by a path with a slash in it", pattern, err)
	}
	return archs, nil
}

func newKernelsList() *cobra.Command {
	var s shelf
	var archs []string
	var cachedOnly bool
	cmd := &cobra.Command{
		Use:   "list [KERNEL...]",
		Short: "List the kernels that Debian offers",
		Long: `List prints the kernels that the Debian mirrors of this machine offer, and
which of them were fetched.

` + patternHelp,
		Example: `  zombench kernels list
  zombench kernels list --arch s390x,riscv64 --suite sid
  zombench kernels list 'amd64-*cloud*'`,
		RunE: func(cmd *cobra.Command, patterns []string) error {
			if err := s.open(cmd.ErrOrStderr()); err != nil {
				return err
			}
			cached, err := debian.Cached(s.dir)
			if err != nil {
				return err
			}
			names, err := debianArchs(archs)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("arch") && len(patterns) > 0 {
				names = nil // those of the patterns
				for _, p := range patterns {
					some, err := archsOf(p)
					if err != nil {
						return err
					}
					names = append(names, some...)
				}
				slices.Sort(names)
				names = slices.Compact(names)
			}
			offers := offersOf(cached)
			if !cachedOnly {
				if _, offers, err = s.offers(cmd.Context(), names); err != nil {
					return err
				}
			} else if cmd.Flags().Changed("arch") {
				offers = slices.DeleteFunc(offers, func(o debian.Offer) bool { return !slices.Contains(names, o.Arch) })
			}
			if len(patterns) > 0 {
				if offers, err = debian.Select(offers, patterns); err != nil {
					return err
				}
			}
			return listOffers(cmd.OutOrStdout(), offers, cached)
		},
	}
	flags := cmd.Flags()
	s.register(flags)
	flags.StringSliceVar(&archs, "arch", []string{"amd64", "arm64"}, "architectures; a list, or all")
	flags.BoolVar(&cachedOnly, "cached", false, "only kernels that were fetched; asks no mirror")
	return cmd
}

// debianArchs translates names of architectures to Debian's.
func debianArchs(names []string) ([]string, error) {
	var archs []string
	for _, name := range names {
		if name == "all" {
			for _, a := range vm.Archs() {
				archs = append(archs, a.Debian)
			}
			continue
		}
		a, err := vm.LookupArch(name)
		if err != nil {
			return nil, usageErrorf("--arch: %w", err)
		}
		archs = append(archs, a.Debian)
	}
	slices.Sort(archs)
	return slices.Compact(archs), nil
}

func listOffers(w io.Writer, offers []debian.Offer, cached []vm.Kernel) error {
	header := []string{"kernel", "package", "version", "MB", "suites", "fetched"}
	rows := make([][]string, 0, len(offers))
	for _, o := range offers {
		size, fetched := "", ""
		if o.Size > 0 {
			size = fmt.Sprintf("%.0f", float64(o.Size)/1e6)
		}
		if slices.ContainsFunc(cached, func(k vm.Kernel) bool { return k.Name == o.Name && k.Version == o.Version }) {
			fetched = "yes"
		}
		rows = append(rows, []string{o.Name, o.Package, o.Version, size, strings.Join(o.Suites, " "), fetched})
	}
	return writeText(w, fmt.Sprintf("%d kernels", len(offers)), header, rows, "")
}

func newKernelsFetch() *cobra.Command {
	var s shelf
	cmd := &cobra.Command{
		Use:   "fetch KERNEL...",
		Short: "Fetch kernels without installing them",
		Long: `Fetch downloads kernels from the Debian mirrors of this machine, checked by apt,
and unpacks their images into the cache, under $XDG_CACHE_HOME/zombench. Nothing
is installed, and the system's own package state stays as it is.

` + patternHelp,
		Example: `  zombench kernels fetch amd64-newest
  zombench kernels fetch 's390x-*' --suite sid`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("fetch needs the name of at least one kernel; zombench kernels list prints them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, patterns []string) error {
			if err := s.open(cmd.ErrOrStderr()); err != nil {
				return err
			}
			kernels, err := s.find(cmd.Context(), patterns)
			for _, k := range kernels {
				fmt.Fprintln(cmd.OutOrStdout(), k.Path)
			}
			return err
		},
	}
	s.register(cmd.Flags())
	return cmd
}
