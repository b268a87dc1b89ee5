package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/experiments"
	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/results"
)

// kernelsFlags are the flags of the commands that boot kernels.
type kernelsFlags struct {
	kernels.Fleet
	source      kernelSource
	named       []string // kernels
	all         bool
	shard       string
	archs       []string
	experiments []bench.Experiment
	experiment  string // one of these
	fields      func(run []bench.Experiment) error
	accel       vm.Accel
}

func newKernelsRun() *cobra.Command {
	f := kernelsFlags{experiments: experiments.InGuests()}
	f.Jobs = 2 * runtime.NumCPU()
	var node nodeFlags
	var answer answerFlags
	cmd := &cobra.Command{
		Use:   "run [KERNEL...]",
		Short: "Boot kernels and measure each",
		Long: `Run boots each kernel in QEMU with a static build of the harness and of zombied,
measures there what zombies hold, and writes DIR/NAME.txt for each. --experiment
chooses another experiment, whose name is added to that of the file. In zombench's
source these programs are built, which needs the go command; elsewhere they come from
the package zombench-guests.

` + patternHelp + `
Your own kernel is given by its path, which must have a slash in it. Without
arguments and --arch it runs ` + strings.Join(kernels.DefaultKernels(), ", ") + `.

--all, or a pattern such as 'amd64-*', runs many. Kernels that were fetched are not
fetched again, and with --resume those that were measured are not measured again, so
that an interrupted run continues where it ended.

A kernel that fails does not stop the others, but makes the exit status 1. Times mean
nothing under emulation and are not recorded. On x86 a task_struct holds the registers
of the CPU model: --cpu selects it, and is added to the file name.`,
		Example: `  zombench kernels run
  zombench kernels run amd64-newest ./bzImage
  zombench kernels run --arch riscv64,s390x --jobs 2 -o results/local
  zombench kernels run --all --shard 1/4 -o results/local/all
  zombench kernels run amd64-newest --append slab_nomerge
  zombench kernels run amd64-newest --cpu qemu64
  zombench kernels run amd64-newest --experiment dress --smp 2 --maxcpus 64`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.named = args
			f.Resume = f.Resume || f.all && !cmd.Flags().Changed("resume")
			var err error
			f.Config, err = node.config()
			if err := errors.Join(err, f.complete(cmd), answer.check()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), answer.write)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.archs, "arch", nil, "the newest kernel of each of these `architectures`; a list, or all")
	flags.BoolVar(&f.all, "all", false, "every kernel that Debian offers for these architectures (default those whose QEMU is installed), with --resume")
	flags.StringVar(&f.shard, "shard", "", "only part `I/N` of these kernels: 1/3, 2/3 and 3/3 together are all of them")
	flags.BoolVar(&f.Resume, "resume", false, "skip kernels for which this version of zombench has a result in the output directory")
	f.experiment = f.experiments[0].Name
	choiceFlag(cmd, &f.experiment, "experiment", "what is measured", bench.Names(f.experiments)...)
	flags.StringVar(&f.Match, "bench", "", "run only benchmarks that match this `regexp`, as in go test -bench")
	flags.Var(bench.Int(&f.Jobs, 1, many), "jobs", "virtual machines at a time; each is idle half of the time, while its kernel settles")
	flags.StringVarP(&f.Dir, "output", "o", filepath.Join("results", "local"), "`directory` for the result files")
	f.machine(cmd)
	node.register(flags)
	f.source.register(flags)
	answer.register(cmd)
	completeKernels(cmd)
	return cmd
}

// machine adds the flags of a guest and of what it measures, the same for every
// command that boots one.
func (f *kernelsFlags) machine(cmd *cobra.Command) {
	f.fields = fieldFlags(cmd, f.experiments)
	f.Samples, f.CPUs, f.Timeout, f.accel = 2, 1, 10*time.Minute, "auto"
	flags := cmd.Flags()
	flags.Var(bench.Int(&f.Samples, 1, many), "samples", "trials of each combination")
	flags.Uint64Var(&f.Seed, "seed", 0, "seed of the order of the trials (default random; recorded with the results)")
	choiceFlag(cmd, &f.accel, "accel", "how QEMU runs; auto is kvm if a probe finds that it works", "auto", vm.TCG, vm.KVM)
	flags.StringVar(&f.CPU, "cpu", "", "QEMU's CPU `model` (default a fixed one for each architecture; max on x86)")
	flags.Var(bench.Int(&f.CPUs, 1, many), "smp", "`CPUs` of a virtual machine")
	flags.Var(bench.Int(&f.MaxCPUs, 0, many), "maxcpus", "possible `CPUs`, for which a kernel allocates its per-CPU memory (default as many as --smp)")
	flags.Var(bench.Int(&f.Memory, 0, many), "memory", "memory of a virtual machine in `MiB` (default 512; 1024 on ppc64el and loong64)")
	flags.StringArrayVar(&f.Append, "append", nil, "add a `parameter` to the kernel command line; may be given several times")
	durationFlag(flags, &f.Timeout, "timeout", time.Second, "how long one kernel may take")
	flags.StringVar(&f.Console, "console", "", "keep each kernel's console as NAME.console in this `directory`")
	flags.StringVar(&f.Guest, "guest", "", "`directory` of the guests' programs, GOARCH/guest and GOARCH/zombied, as make guests builds them (default: build them; outside zombench's source ../lib/zombench/guests beside zombench)")
	flags.StringVar(&f.Source, "source", "", "`directory` of zombench's source, to build them there")
}

// patterns returns the kernels that the flags and arguments ask for.
func (f *kernelsFlags) patterns() ([]string, error) {
	archs, err := debianArchs(f.archs)
	if err != nil {
		return nil, err
	}
	return kernels.Patterns(f.named, archs, f.all), nil
}

// complete makes of the flags what the fleet is to do.
func (f *kernelsFlags) complete(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("seed") {
		f.Seed = rand.Uint64()
	}
	if f.MaxCPUs != 0 && f.MaxCPUs < f.CPUs {
		return usageErrorf("--maxcpus: %d: want no fewer than the %d of --smp", f.MaxCPUs, f.CPUs)
	}
	if f.accel != "auto" {
		f.Accel = f.accel
	}
	e := f.experiments[0]
	if f.experiment != "" && f.experiment != e.Name {
		f.Experiment = f.experiment
		e = f.experiments[slices.Index(bench.Names(f.experiments), f.experiment)]
	}
	if err := f.fields([]bench.Experiment{e}); err != nil {
		return err
	}
	f.Fields = make(map[string]string)
	for _, field := range e.Fields {
		f.Fields[field.Name] = field.Value.String()
	}
	f.Version = version()
	return nil
}

// run measures the kernels, and has answer print what came out of all of them.
func (f *kernelsFlags) run(ctx context.Context, stdout, stderr io.Writer, answer func(io.Writer, *results.Set) error) error {
	patterns, err := f.patterns()
	if err != nil {
		return err
	}
	shard := kernels.Shard{Part: 1, Of: 1}
	if f.shard != "" {
		if shard, err = kernels.ParseShard(f.shard); err != nil {
			return usageErrorf("--shard: %w", err)
		}
	}
	if err := f.Prepare(); err != nil {
		return err
	}
	resolver, err := f.source.resolver(stderr)
	if err != nil {
		return err
	}
	choice, findErr := resolver.Choose(ctx, patterns)
	findErr = patternError(findErr)
	if ctx.Err() != nil {
		return interrupted(ctx, "before the first kernel ran")
	}
	found := shard.Select(choice.Kernels)
	if len(found) == 0 {
		return findErr
	}
	f.Log, f.Fetch = stderr, choice.Fetch
	files, runErr := f.Fleet.Run(ctx, found)
	if _, ok := errors.AsType[*kernels.NameError](runErr); ok {
		return &exitError{usageStatus, runErr}
	}
	var answerErr error
	if len(files) > 0 {
		set, errs := results.Load(files...)
		answerErr = errors.Join(append(errs, answer(stdout, set))...)
	}
	if ctx.Err() != nil {
		return interrupted(ctx, "with %d of %d kernels measured", len(files), len(found))
	}
	return errors.Join(findErr, runErr, answerErr)
}
