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
	"github.com/spf13/pflag"

	"zombench/bench"
	"zombench/bench/dress"
	"zombench/bench/kernels"
	"zombench/bench/memory"
	"zombench/bench/vm"
	"zombench/results"
)

// kernelsFlags are the flags of zombench kernels run.
type kernelsFlags struct {
	kernels.Fleet
	source     kernelSource
	named      []string // kernels
	all        bool
	shard      string
	archs      []string
	experiment string
	accel      string
}

// guestExperiments are what can be measured in guests, with the fields that a
// user may set there.
func guestExperiments() []bench.Experiment {
	e := memory.Experiment()
	var fields []bench.Field
	for _, f := range e.Fields {
		switch f.Name {
		case "count":
			f.Usage += "; memory's default is " + kernels.DefaultCounts
			f.Value.Set("") // the kernel decides
			fields = append(fields, f)
		case "parallel":
			f.Value.Set("1")
			fields = append(fields, f)
		}
	}
	e.Fields = fields
	return []bench.Experiment{e, dress.Experiment()}
}

func newKernelsRun() *cobra.Command {
	var f kernelsFlags
	experiments := guestExperiments()
	var fields *fieldFlags
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
			run, err := pick(experiments, []string{f.experiment})
			if err != nil {
				return err
			}
			f.Config, err = node.config()
			if err := errors.Join(err, fields.apply(run), f.complete(cmd, run[0]), answer.check()); err != nil {
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
	flags.StringVar(&f.experiment, "experiment", experiments[0].Name, "what is measured: "+namesOf(experiments))
	fields = newFieldFlags(cmd, experiments)
	flags.StringVar(&f.Match, "bench", "", "run only benchmarks that match this `regexp`, as in go test -bench")
	flags.IntVar(&f.Jobs, "jobs", 2*runtime.NumCPU(), "virtual machines at a time; each is idle half of the time, while its kernel settles")
	flags.StringVarP(&f.Dir, "output", "o", filepath.Join("results", "local"), "`directory` for the result files")
	f.machine(flags)
	node.register(flags)
	f.source.register(flags)
	answer.register(cmd)
	completeKernels(cmd)
	return cmd
}

// machine adds the flags of a guest, the same for every command that boots one.
func (f *kernelsFlags) machine(flags *pflag.FlagSet) {
	flags.IntVar(&f.Samples, "samples", 2, "trials of each combination")
	flags.Uint64Var(&f.Seed, "seed", 0, "seed of the order of the trials (default random; recorded with the results)")
	flags.StringVar(&f.accel, "accel", "auto", "how QEMU runs: tcg, kvm, or auto (kvm if a probe finds that it works)")
	flags.StringVar(&f.CPU, "cpu", "", "QEMU's CPU `model` (default a fixed one for each architecture; max on x86)")
	flags.IntVar(&f.CPUs, "smp", 1, "`CPUs` of a virtual machine")
	flags.IntVar(&f.MaxCPUs, "maxcpus", 0, "possible `CPUs`, for which a kernel allocates its per-CPU memory (default as many as --smp); Linux 6.12 counts those of --smp alone")
	flags.IntVar(&f.Memory, "memory", 0, "memory of a virtual machine in `MiB` (default 512; 1024 on ppc64el and loong64)")
	flags.StringArrayVar(&f.Append, "append", nil, "add a `parameter` to the kernel command line; may be given several times")
	flags.DurationVar(&f.Timeout, "timeout", 10*time.Minute, "how long one kernel may take")
	flags.StringVar(&f.Console, "console", "", "keep each kernel's console as NAME.console in this `directory`")
	flags.StringVar(&f.Guest, "guest", "", "`directory` of the guests' programs, GOARCH/guest and GOARCH/zombied, as make guests builds them (default: build them; outside zombench's source ../lib/zombench/guests beside zombench)")
	flags.StringVar(&f.Source, "source", "", "`directory` of zombench's source, to build them there")
}

// patterns returns the kernels that the flags and arguments ask for.
func (f *kernelsFlags) patterns() ([]string, error) {
	patterns := slices.Clone(f.named)
	archs, err := debianArchs(f.archs)
	if err != nil {
		return nil, err
	}
	if f.all {
		return append(patterns, kernels.Every(archs)...), nil
	}
	for _, a := range archs {
		patterns = append(patterns, a+"-newest")
	}
	if len(patterns) == 0 {
		patterns = kernels.DefaultKernels()
	}
	return patterns, nil
}

// complete checks the flags and makes of them what the fleet is to do.
func (f *kernelsFlags) complete(cmd *cobra.Command, e bench.Experiment) error {
	if !cmd.Flags().Changed("seed") {
		f.Seed = rand.Uint64()
	}
	if f.Jobs < 1 {
		return usageErrorf("--jobs: %d virtual machines at a time; want 1 or more", f.Jobs)
	}
	if f.Timeout <= 0 {
		return usageErrorf("--timeout: %v; want more than 0", f.Timeout)
	}
	if f.CPUs < 1 || f.MaxCPUs != 0 && f.MaxCPUs < f.CPUs {
		return usageErrorf("--smp %d --maxcpus %d: want at least 1 CPU, and no fewer possible CPUs than that", f.CPUs, f.MaxCPUs)
	}
	if f.Memory < 0 {
		return usageErrorf("--memory: %d MiB; want more than 0", f.Memory)
	}
	switch f.accel {
	case "auto":
	case string(vm.TCG), string(vm.KVM):
		f.Accel = vm.Accel(f.accel)
	default:
		return usageErrorf("--accel: unknown %q: want auto, tcg or kvm", f.accel)
	}
	if err := checkSamples(f.Samples); err != nil {
		return err
	}
	f.Fields = make(map[string]string)
	for _, field := range e.Fields {
		f.Fields[field.Name] = field.Value.String()
	}
	if e.Name != memory.Experiment().Name {
		f.Experiment = e.Name
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
