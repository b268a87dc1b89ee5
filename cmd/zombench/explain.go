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
	"zombench/measure"
	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/report"
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
	flags.StringVar(&f.format, "format", "text", "`FORMAT` of the ledger: "+report.FormatNames())
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
	format, err := report.ParseFormat(f.format)
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
	var notes []string
	for _, m := range lab.Instruments.Missing() {
		notes = append(notes, missing(m))
	}
	trials, err := explainTrials(ctx, lab, f.plan(), newProgress(stderr, f.quiet))
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	facts, more := describeKernel(lab.FS, lab.Machine)
	notes = append(notes, more...)
	config := header(lab, f.plan()).Config
	var records []results.Record
	for _, spawn := range f.spawns {
		for _, t := range trials[spawn] {
			records = append(records, results.Record{Trial: withCaches(lab.Result(t), t), Config: config, Facts: &facts, File: "what was measured"})
		}
		// The trials are over: tracing disturbs nothing any more.
		held, err := callsites.Follow(ctx, lab, spawn)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err != nil:
			notes = append(notes, fmt.Sprintf("without call sites: %v", err))
		default:
			records = append(records, results.Record{Trial: sitesTrial(held, spawn), Config: config, Facts: &facts})
		}
	}
	ledgers, err := ledger.New(records)
	if err != nil {
		return err
	}
	doc := report.Ledger(ledgers)
	doc.Notes = append(doc.Notes, notes...)
	if err := doc.Write(stdout, format); err != nil {
		return err
	}
	for _, l := range ledgers {
		if len(l.Unexplained()) > 0 {
			return errors.New("the ledger does not add up: more is unexplained than may be")
		}
	}
	return nil
}

// withCaches adds the slab caches to the readings of a trial.
func withCaches(r results.Trial, t *bench.Trial) results.Trial {
	for i, s := range []bench.Sample{t.Before, t.After} {
		if s.Slab == nil || i >= len(r.Readings) {
			continue
		}
		r.Readings[i].Caches = nil
		for _, c := range s.Slab.Caches {
			r.Readings[i].Caches = append(r.Readings[i].Caches, results.CacheReading{Name: c.Name, Objects: c.ActiveObjs, Slabs: c.NumSlabs})
		}
	}
	return r
}

// sitesTrial is what was followed, as a trial.
func sitesTrial(held *callsites.Held, spawn string) results.Trial {
	t := results.Trial{Bench: "CallSites", Params: []results.Param{{Key: "spawn", Value: spawn}}, N: held.Zombies}
	for _, s := range held.Sites {
		accounted := results.Tristate(s.Accounted.String())
		if accounted != results.Yes && accounted != results.No {
			accounted = results.Unknown
		}
		t.Sites = append(t.Sites, results.CallSite{Function: s.Function, Caches: s.Caches, Requested: s.Asked, Allocated: s.Given, Accounted: accounted, Objects: uint64(s.Objects)})
	}
	return t
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
func describeKernel(fs measure.FS, m measure.Machine) (facts results.Facts, notes []string) {
	facts.Kernel.PointerBytes = bits.UintSize / 8
	slab, err := fs.Slabinfo()
	if err != nil {
		return facts, []string{fmt.Sprintf("without slab caches: %v", err)}
	}
	for _, line := range slab.Caches {
		c := results.Cache{Name: line.Name, Size: line.ObjSize, PerSlab: line.ObjsPerSlab, SlabBytes: line.PagesPerSlab * uint64(m.PageSize), Charged: results.Unknown}
		if known, err := fs.SlabCache(line.Name); err == nil {
			c.Used, c.Reclaimable, c.Aliases = known.ObjectSize, known.Reclaimable, known.Aliases
		}
		if fs.UnchargedSlab(line.Name) {
			c.Charged = results.No
		}
		facts.Caches = append(facts.Caches, c)
	}
	types, err := fs.Types()
	if err != nil {
		return facts, []string{fmt.Sprintf("without sizes of structs: %v", err)}
	}
	for _, name := range ledger.Structs() {
		if size, err := types.StructSize(name); err == nil {
			facts.Kernel.Structs = append(facts.Kernel.Structs, results.Counter{Name: name, Value: size})
		}
	}
	if has, err := types.HasMember("task_struct", "thread_info"); err == nil {
		facts.Kernel.ThreadInfoInTask = results.No
		if has {
			facts.Kernel.ThreadInfoInTask = results.Yes
		}
	}
	return facts, nil
}
