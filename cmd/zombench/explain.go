package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/callsites"
	"zombench/bench/janitor"
	"zombench/bench/ledger"
	"zombench/measure"
	"zombench/measure/btf"
	"zombench/results"
)

// explainFlags are the flags of zombench explain.
type explainFlags struct {
	counts   []int
	parallel int
	spawns   []string
	samples  int
	seed     uint64
	format   string
	zombied  string
	lock     string
	quiet    bool
}

func newExplain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Give every byte of a zombie a name",
		Long: `Explain raises armies of several sizes and draws up the ledger of one zombie:
each slab cache that grows with an army, how large its objects are, how they
pack into slabs, and what the kernel uses them for. Then it shows how the
instruments agree: from objects to the charge of the cgroup, from the charge to
pages, and what is left unexplained of each.

Exit status: 0 the ledger adds up (no more than 0.5 % of the charge and 1.5 % of
the pages are unexplained), 1 it does not.`,
		Example: `  zombench explain
  zombench explain --spawn exec,os-exec
  zombench explain --format markdown`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = rand.Uint64()
			}
			return explain(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.spawns, "spawn", []string{"exec"}, "ways of spawning: exec, os-exec, clone; a list")
	flags.IntSliceVar(&f.counts, "count", []int{500, 1000, 2000, 4000}, "zombies in an army; a list of two or more")
	flags.IntVar(&f.parallel, "parallel", 8, "spawner threads of the daemon")
	flags.IntVar(&f.samples, "samples", 5, "trials of each size")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the order of the trials (default random)")
	flags.StringVar(&f.format, "format", "text", fmt.Sprintf("format of the ledger: %v", ledger.Formats()))
	flags.StringVar(&f.zombied, "zombied", "", "path of the daemon (default: beside zombench, then on PATH)")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock") // runs under different locks disturb each other
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	return cmd
}

var errInterrupted = &exitError{interruptStatus, errors.New("interrupted: a ledger needs all of its trials")}

// plan says which trials the ledger is drawn up from.
func (f explainFlags) plan() bench.Plan {
	return bench.Plan{Counts: f.counts, Parallels: []int{f.parallel}, Spawns: f.spawns, Samples: f.samples, Seed: f.seed}
}

func explain(ctx context.Context, stdout, stderr io.Writer, f explainFlags) (err error) {
	format, err := ledger.ParseFormat(f.format)
	if err != nil {
		return usageErrorf("--format: %w", err)
	}
	if err := f.plan().Validate(); err != nil {
		return &exitError{usageStatus, err}
	}
	if len(f.counts) < 2 {
		return usageErrorf("--count: %v: the ledger is made of slopes, which need two sizes or more", f.counts)
	}
	zombied, err := findZombied(f.zombied)
	if err != nil {
		return err
	}
	lab, err := openLab(ctx, zombied, f.lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	for _, notice := range lab.Notices {
		fmt.Fprintf(stderr, "zombench: %s\n", notice)
	}
	if err := lab.Preflight(f.plan()); err != nil {
		return err
	}
	report := ledger.Report{Kernel: lab.Machine.Kernel, GOARCH: lab.Machine.GOARCH}
	for _, m := range lab.Instruments.Missing() {
		report.Notes = append(report.Notes, missing(m))
	}

	trials, err := explainTrials(ctx, lab, f.plan(), newProgress(stderr, f.quiet))
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	kernel, notes := describeKernel(lab.FS, lab.Machine)
	report.Notes = append(report.Notes, notes...)
	unexplained := 0
	for _, spawn := range f.spawns {
		l, err := ledger.New(kernel, trials[spawn])
		if err != nil {
			return err
		}
		// The trials are over: tracing disturbs nothing any more.
		held, err := callsites.Follow(ctx, lab, spawn)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			report.SitesErr = err
		}
		held.Narrow(l.Held())
		for _, cache := range held.Unaccounted() {
			l.Disown(kernel, cache)
		}
		unexplained += len(l.Unexplained())
		report.Ledgers = append(report.Ledgers, l)
		report.Sites = append(report.Sites, held)
	}
	if err := report.Write(stdout, format); err != nil {
		return err
	}
	if unexplained > 0 {
		return errors.New("the ledger does not add up: more is unexplained than may be")
	}
	return nil
}

// explainTrials runs the trials, and returns them by their way of spawning.
func explainTrials(ctx context.Context, lab *bench.Lab, plan bench.Plan, watch progress) (map[string][]*bench.Trial, error) {
	defer watch.Close()
	trials := make(map[string][]*bench.Trial)
	_, err := lab.Each(ctx, plan, watch, func(t *bench.Trial, _ results.Trial) error {
		spawn := t.Setup.Spawn
		trials[spawn] = append(trials[spawn], t)
		return nil
	})
	return trials, err
}

// describeKernel gathers what the ledger has to know of the running kernel,
// and says what could not be had.
func describeKernel(fs measure.FS, m measure.Machine) (ledger.Kernel, []string) {
	k := ledger.Kernel{
		PageSize:    m.PageSize,
		PointerSize: bits.UintSize / 8,
		Cache: func(name string) (measure.SlabCache, bool) {
			c, err := fs.SlabCache(name)
			return c, err == nil
		},
	}
	var notes []string
	types, err := btf.Load(fs)
	if err != nil {
		return k, append(notes, fmt.Sprintf("without sizes of structs: %v", err))
	}
	k.StructSize = func(name string) (uint64, bool) {
		size, err := types.StructSize(name)
		return size, err == nil
	}
	if has, err := types.HasMember("task_struct", "thread_info"); err == nil {
		k.ThreadInfoInTask = &has
	}
	return k, notes
}
