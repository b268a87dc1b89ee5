package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"zombench/bench/experiments"
	"zombench/bench/kernels"
	"zombench/bench/tempdir"
	"zombench/bench/vm"
	"zombench/results/report"
	"zombench/results/report/host"
)

func newKernelsBisect() *cobra.Command {
	f := kernelsFlags{experiments: experiments.InGuests()[:1]}
	f.Jobs = 1
	var unit string
	var format report.Format
	cmd := &cobra.Command{
		Use:   "bisect OLD NEW",
		Short: "Find the kernel in which zombies grew",
		Long: `Bisect finds the first kernel between two that Debian offers whose zombies are
nearer in size to those of the new one than to those of the old one. Of n kernels
of the same flavour it boots the two ends and at most log2 n others, except those
that have a result in the output directory. To see what differs between the two
kernels it finds, give their result files to zombench explain.

` + patternHelp,
		Example: `  zombench kernels bisect amd64-5.10.0-30 amd64-newest
  zombench kernels bisect --unit slab-B arm64-oldest arm64-newest`,
		Args: takes(2, 2, "two kernels, OLD and NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.complete(cmd); err != nil {
				return err
			}
			resolver, err := f.source.resolver(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			series, err := resolver.Series(cmd.Context(), args[0], args[1])
			if err != nil {
				return patternError(err)
			}
			f.Log, f.Fetch, f.Resume = cmd.ErrOrStderr(), series.Fetch, true
			search := host.Search{Series: series.Kernels, Unit: unit, File: f.File}
			search.Before, search.After, search.Looks, err = kernels.Bisect(len(series.Kernels), func(i int) (float64, error) {
				return f.PerZombie(cmd.Context(), series.Kernels[i], unit)
			})
			if cmd.Context().Err() != nil {
				return interrupted(cmd.Context(), "after %d kernels; those are not booted again", len(search.Looks))
			}
			if _, ok := errors.AsType[*kernels.NoStepError](err); err != nil && !ok {
				return err
			}
			return errors.Join(search.Doc().Write(cmd.OutOrStdout(), format), err)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&unit, "unit", "kmem-B", "the `unit` in which zombies grew")
	flags.StringVarP(&f.Dir, "output", "o", filepath.Join("results", "local"), "`directory` for the result files")
	f.machine(cmd)
	f.source.register(flags)
	formatFlag(cmd, &format)
	completeKernels(cmd)
	return cmd
}

// What git bisect run makes of exit statuses: git-bisect(1).
const (
	skipStatus = 125 // this commit cannot be tested
	stopStatus = 128 // nor can the others
)

func newKernelsTry() *cobra.Command {
	f := kernelsFlags{experiments: experiments.InGuests()[:1]}
	f.Jobs = 1
	var image, unit string
	var most float64
	cmd := &cobra.Command{
		Use:   "try --kernel FILE --max BYTES",
		Short: "Test one kernel for git bisect run: are its zombies too large?",
		Long: `Try boots the kernel that was built in a source tree, or any image that QEMU takes,
and measures the size of a zombie on it.

Exit status: 0 no more than --max, 1 more, 125 the kernel did not boot or gave no
result, 128 try itself failed. git bisect run takes these for good, bad, skip and
abort.`,
		Example: `  zombench kernels try --kernel arch/x86/boot/bzImage --max 12600
  zombench kernels try --kernel ~/linux --unit slab-B --max 15000
  git bisect run sh -c 'make -j8 || exit 125; zombench kernels try --source ~/zombench --kernel . --max 12600'`,
		Args: func(cmd *cobra.Command, args []string) error { return stop(noArgs(cmd, args)) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			value, err := func() (float64, error) {
				if image == "" || most <= 0 {
					return 0, errors.New("try needs --kernel FILE and --max BYTES; see zombench kernels try --help")
				}
				if err := f.complete(cmd); err != nil {
					return 0, err
				}
				k, err := vm.Inspect(image)
				if err != nil {
					return 0, err
				}
				tmp, err := tempdir.Make("zombench-try-")
				if err != nil {
					return 0, err
				}
				defer tmp.Close()
				f.Log, f.Dir = cmd.ErrOrStderr(), tmp.Path
				return f.PerZombie(cmd.Context(), k, unit)
			}()
			switch {
			case cmd.Context().Err() != nil:
				return interrupted(cmd.Context(), "before %s was measured", image)
			case errors.Is(err, vm.ErrFailed):
				return &exitError{skipStatus, err}
			case err != nil:
				return stop(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %.0f B a zombie, at most %.0f B wanted\n", unit, value, most)
			if value > most {
				return &exitError{1, nil}
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return stop(cmd.Parent().FlagErrorFunc()(cmd, err)) })
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&image, "kernel", "", "`FILE` of the kernel: an Image, a bzImage, a vmlinuz, or a directory in which one was built")
	flags.Float64Var(&most, "max", 0, "largest acceptable size of a zombie, in `BYTES`")
	flags.StringVar(&unit, "unit", "kmem-B", "the `unit` of --max")
	f.machine(cmd)
	return cmd
}

// stop makes an error one that ends git bisect run.
func stop(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{stopStatus, err}
}
