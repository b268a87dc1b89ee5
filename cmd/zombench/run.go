package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/janitor"
	"zombench/measure"
	"zombench/results"
	"zombench/results/report"
)

// runFlags are the flags of zombench run.
type runFlags struct {
	plan    bench.Plan
	out     string
	zombied string
	daemon  string // a command in zombied's place
	lock    string
	raise   bool
	quiet   bool

	// of the answer
	per     int
	plot    plotFlags
	metrics string
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Raise armies, measure them, and answer",
		Long: `Run raises armies of zombies, each by a zombied of its own in a fresh cgroup,
and measures what they hold. Every combination of --count, --parallel and
--spawn is tried --samples times, in random order, with trials without any
zombie among them.

With -o the results go to a file, one line a trial as soon as it ended, and the
answer to standard output; without it the results go to standard output and the
answer to standard error.`,
		Example: `  zombench run -o results/local/mine.txt
  zombench run --count 1000 --parallel 1 --samples 6
  zombench run --bench 'Zombies/count=1000/parallel=50'
  zombench run --spawn exec,os-exec -o both.txt
  zombench run --pidns 0,1,2             what a zombie in a container costs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("daemon") {
				if err := checkForeign(cmd); err != nil {
					return err
				}
				return runForeign(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
			}
			if !cmd.Flags().Changed("seed") {
				f.plan.Seed = rand.Uint64()
			}
			return runBench(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	flags := cmd.Flags()
	flags.IntSliceVar(&f.plan.Counts, "count", []int{500, 1000, 2000}, "zombies in an army; a list")
	flags.IntSliceVar(&f.plan.Parallels, "parallel", []int{1, 50}, "spawner threads of the daemon; a list")
	flags.StringSliceVar(&f.plan.Spawns, "spawn", []string{"exec"}, "ways of spawning: exec, os-exec, clone; a list")
	flags.IntSliceVar(&f.plan.PidNS, "pidns", nil, "nested pid namespaces that the army is raised in, as in containers; a list, such as 0,1,2")
	flags.IntVar(&f.plan.Samples, "samples", 10, "trials of each combination")
	flags.Uint64Var(&f.plan.Seed, "seed", 0, "seed of the order of the trials (default random; it is recorded)")
	flags.StringVar(&f.plan.Match, "bench", "", "run only the benchmarks that match this regular expression, as in go test")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this file")
	flags.StringVar(&f.zombied, "zombied", "", "path of the daemon (default: beside zombench, then on PATH)")
	flags.StringVar(&f.daemon, "daemon", "", "measure the zombies of this shell `command`, any program that leaves some, in zombied's place")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock") // runs under different locks disturb each other
	flags.IntVar(&f.per, "per", 1000, "the number of `zombies` that the answer speaks of")
	f.plot.register(flags)
	flags.StringVar(&f.metrics, "openmetrics", "", "write the answer to this `FILE`, for node_exporter's textfile collector")
	flags.BoolVar(&f.raise, "raise-limits", false, "raise kernel.pid_max and kernel.threads-max as far as the armies need, and put them back")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	return cmd
}

func runBench(ctx context.Context, stdout, stderr io.Writer, f runFlags) (err error) {
	if err := f.plan.Validate(); err != nil {
		return &exitError{usageStatus, err}
	}
	if f.per < 1 {
		return usageErrorf("--per: %d zombies; want 1 or more", f.per)
	}
	if err := f.plot.check(); err != nil {
		return err
	}
	if f.metrics != "" {
		if err := checkDir(f.metrics); err != nil {
			return err
		}
	}
	zombied, err := findZombied(f.zombied)
	if err != nil {
		return err
	}
	out, err := openOutput(f.out, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	lab, err := openLab(ctx, zombied, f.lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	notices := lab.Notices
	if f.raise {
		raised, err := lab.RaiseLimits(f.plan)
		if err != nil {
			return err
		}
		notices = append(notices, raised...)
	}
	for _, notice := range notices {
		fmt.Fprintf(stderr, "zombench: %s\n", notice)
	}
	if err := lab.Preflight(f.plan); err != nil {
		return err
	}
	if err := lab.TryMemory(ctx, f.plan); err != nil {
		return err
	}
	out.header = header(lab, f.plan)
	out.header.Comments = append(out.header.Comments, notices...)
	for _, m := range lab.Instruments.Missing() {
		fmt.Fprintf(stderr, "zombench: %s\n", missing(m))
	}

	watch := newProgress(stderr, f.quiet)
	tally, err := lab.Run(ctx, f.plan, out, watch)
	watch.Close()
	answerTo := stdout
	if f.out == "" {
		answerTo = stderr
	}
	if answerErr := f.answer(answerTo, out); answerErr != nil && err == nil {
		err = answerErr
	}
	switch {
	case ctx.Err() != nil:
		kept := ""
		if f.out != "" && tally.Done() > 0 {
			kept = fmt.Sprintf("; what was measured is in %s", f.out)
		}
		return &exitError{interruptStatus, fmt.Errorf("interrupted after %d of %d trials%s", tally.Done(), tally.Planned, kept)}
	case err != nil:
		return err
	case tally.Good+tally.Noisy == 0:
		return fmt.Errorf("all %d trials were broken: nothing was measured; the reasons stand in the results", tally.Broken)
	}
	return nil
}

// answer prints what was measured, for people, and writes what else was asked
// for of it.
func (f runFlags) answer(w io.Writer, out *output) error {
	r, err := out.Report(report.Query{Per: f.per})
	if r == nil || err != nil {
		return err
	}
	doc := r.Doc()
	if err := doc.Write(w, report.Text); err != nil {
		return err
	}
	if f.metrics != "" {
		err = writeFile(f.metrics, func(w io.Writer) error { return r.WriteOpenMetrics(w, time.Now()) })
	}
	return errors.Join(err, f.plot.draw(doc))
}

// openLab makes a lab of the machine that this program runs on.
func openLab(ctx context.Context, zombied, lock string) (*bench.Lab, error) {
	return bench.Open(ctx, bench.Options{
		FS:       measure.Host(),
		Zombied:  zombied,
		LockPath: lock,
		Janitor:  []string{janitorCommand},
		Init:     []string{pidnsCommand},
	})
}

// missing says in one line which instrument is absent, why, and what helps.
func missing(i bench.Instrument) string {
	line := fmt.Sprintf("without %s", i.Name)
	if len(i.Units) > 0 {
		line += " (" + strings.Join(i.Units, ", ") + ")"
	}
	line += ": " + i.Err.Error()
	if i.Remedy != "" {
		line += "; " + i.Remedy
	}
	return line
}

// header describes a run at the head of its result file.
func header(lab *bench.Lab, p bench.Plan) results.Header {
	m := lab.Machine
	h := results.Header{
		Config: []results.Param{
			{Key: "kernel", Value: m.Kernel},
			{Key: "goos", Value: runtime.GOOS},
			{Key: "goarch", Value: m.GOARCH},
			{Key: "cpu", Value: m.CPU},
			{Key: "page-size", Value: fmt.Sprint(m.PageSize)},
			{Key: "cgroup", Value: lab.CgroupKind()},
		},
		Comments: []string{
			"zombench " + version() + ", " + time.Now().UTC().Format(time.RFC3339),
			fmt.Sprintf("seed %d, %d trials, %d CPUs online", p.Seed, len(p.Trials()), m.CPUs),
		},
		Units: results.Units(),
	}
	for _, m := range lab.Instruments.Missing() {
		h.Comments = append(h.Comments, missing(m))
	}
	return h
}

// version is the revision that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown revision"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "(unreleased)"
	}
	return v
}

// findZombied finds the daemon: where the user says, else beside this
// program, else on PATH.
func findZombied(path string) (string, error) {
	if path != "" {
		full, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("--zombied: %w", err)
		}
		return filepath.Abs(full)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "zombied")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	full, err := exec.LookPath("zombied")
	if err != nil {
		return "", errors.New("there is no zombied beside zombench or on PATH; build it (make build) or give its path with --zombied")
	}
	return filepath.Abs(full)
}
