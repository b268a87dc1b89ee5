package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/kernels"
	"zombench/bench/memory"
	"zombench/bench/vm"
	"zombench/results"
	"zombench/results/report"
)

// kernelsFlags are the flags of zombench kernels run.
type kernelsFlags struct {
	kernels.Fleet
	source     kernelSource
	named      []string // kernels
	archs      []string
	experiment bench.Experiment
	accel      string
}

// guestExperiment is what is measured in guests, with the fields that a user may
// set there.
func guestExperiment() bench.Experiment {
	e := memory.Experiment()
	var fields []bench.Field
	for _, f := range e.Fields {
		switch f.Name {
		case "count":
			f.Usage += " (default " + kernels.DefaultCounts + ")"
			f.Value.Set("") // the kernel decides
			fields = append(fields, f)
		case "parallel":
			f.Value.Set("1")
			fields = append(fields, f)
		}
	}
	e.Fields = fields
	return e
}

func newKernelsRun() *cobra.Command {
	f := kernelsFlags{experiment: guestExperiment()}
	var fields *fieldFlags
	cmd := &cobra.Command{
		Use:   "run [KERNEL...]",
		Short: "Boot kernels and measure each",
		Long: `Run boots each kernel in QEMU with a static build of the harness and of zombied,
measures there what zombies hold, and writes DIR/NAME.txt for each. The builds
need the go command and zombench's source.

` + patternHelp + `
A kernel of your own is given by its path, with a slash in it. Without any, and
without --arch, it runs ` + strings.Join(kernels.DefaultKernels(), ", ") + `.

A kernel that fails does not stop the others; the exit status is 1 then. Times
mean nothing under emulation and are not recorded. On x86 a task_struct holds the
registers of the CPU model: --cpu selects it, and becomes part of the file name.`,
		Example: `  zombench kernels run
  zombench kernels run amd64-newest ./bzImage
  zombench kernels run --arch riscv64,s390x --jobs 2 -o results/local
  zombench kernels run amd64-newest --cpu qemu64`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.named = append(f.named, args...)
			if !cmd.Flags().Changed("seed") {
				f.Seed = rand.Uint64()
			}
			if err := errors.Join(fields.apply([]bench.Experiment{f.experiment}), f.complete()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.named, "kernel", nil, "a `kernel`, as the arguments name them; may be given several times")
	flags.StringSliceVar(&f.archs, "arch", nil, "the newest kernel of each of these `architectures`; a list, or all")
	fields = newFieldFlags(flags, []bench.Experiment{f.experiment})
	flags.IntVar(&f.Samples, "samples", 2, "trials of each combination")
	flags.Uint64Var(&f.Seed, "seed", 0, "seed of the order of the trials (default random; it is recorded)")
	flags.IntVar(&f.Jobs, "jobs", 2*runtime.NumCPU(), "virtual machines at a time: each is idle half of the time, while its kernel settles")
	flags.StringVar(&f.accel, "accel", "auto", "how QEMU runs: tcg, kvm, or auto (kvm if a probe finds that it works)")
	flags.StringVar(&f.CPU, "cpu", "", "QEMU's CPU `model` (default a fixed one for each architecture; max on x86)")
	flags.IntVar(&f.Memory, "memory", 0, "memory of a virtual machine in `MiB` (default 512; 1024 on ppc64el and loong64)")
	flags.StringArrayVar(&f.Append, "append", nil, "a further `parameter` for the kernels; may be given several times")
	flags.DurationVar(&f.Timeout, "timeout", 10*time.Minute, "how long one kernel may take")
	flags.StringVarP(&f.Dir, "output", "o", filepath.Join("results", "local"), "`directory` for the result files")
	flags.StringVar(&f.Console, "console", "", "keep each kernel's console as NAME.console in this `directory`")
	flags.StringVar(&f.Source, "source", ".", "a `directory` in zombench's source")
	f.source.register(flags)
	return cmd
}

// patterns returns the kernels that the flags and arguments ask for.
func (f *kernelsFlags) patterns() ([]string, error) {
	patterns := slices.Clone(f.named)
	archs, err := debianArchs(f.archs)
	if err != nil {
		return nil, err
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
func (f *kernelsFlags) complete() error {
	if f.Jobs < 1 {
		return usageErrorf("--jobs: %d virtual machines at a time; want 1 or more", f.Jobs)
	}
	if f.Timeout <= 0 {
		return usageErrorf("--timeout: %v; want more than 0", f.Timeout)
	}
	if f.Memory < 0 {
		return usageErrorf("--memory: %d MiB; want more than 0", f.Memory)
	}
	switch f.accel {
	case "auto":
	case string(vm.TCG), string(vm.KVM):
		f.Accel = vm.Accel(f.accel)
	default:
		return usageErrorf("--accel: %q is none of auto, tcg, kvm", f.accel)
	}
	if f.Samples < 1 {
		return usageErrorf("--samples: %d is too few; give 1 or more (6 or more for a 95 %% interval)", f.Samples)
	}
	f.Fields = make(map[string]string)
	for _, field := range f.experiment.Fields {
		f.Fields[field.Name] = field.Value.String()
	}
	f.Version = version()
	return nil
}

func (f *kernelsFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	patterns, err := f.patterns()
	if err != nil {
		return err
	}
	found, findErr := f.source.find(ctx, stderr, patterns)
	if ctx.Err() != nil {
		return &exitError{interruptStatus, errors.New("interrupted before the first kernel ran")}
	}
	if len(found) == 0 {
		return findErr
	}
	f.Log = stderr
	files, runErr := f.Fleet.Run(ctx, found)
	if _, ok := errors.AsType[*kernels.NameError](runErr); ok {
		return &exitError{usageStatus, runErr}
	}
	answerErr := answerFrom(stdout, files)
	if ctx.Err() != nil {
		return &exitError{interruptStatus, fmt.Errorf("interrupted with %d of %d kernels measured", len(files), len(found))}
	}
	return errors.Join(findErr, runErr, answerErr)
}

// answerFrom prints what result files say; nothing if there are none.
func answerFrom(w io.Writer, files []string) error {
	if len(files) == 0 {
		return nil
	}
	set, errs := results.Load(files...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	r, err := report.New(set, report.Query{})
	if err != nil {
		return err
	}
	return r.Doc().Write(w, report.Text)
}
