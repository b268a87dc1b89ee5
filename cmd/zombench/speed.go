package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/perf/benchmath"

	"zombench/bench"
	"zombench/bench/janitor"
	"zombench/bench/speed"
	"zombench/results"
)

// speedFlags are the flags of zombench speed.
type speedFlags struct {
	count, rounds int
	sizes         []int
	seed          uint64
	out           string
	zombied, lock string
	raise, quiet  bool
}

func newSpeed() *cobra.Command {
	var f speedFlags
	cmd := &cobra.Command{
		Use:   "speed",
		Short: "Time how fast zombies come and go, beside other programs",
		Long: `Speed raises the same army by zombied's three ways of spawning and by other
programs in turn, in random order, all on one CPU: a C loop that does the same
clone, one that forks, and the zombie stressor of stress-ng. It prints how long
a zombie takes each of them, and the ratio to the C loop that clones.

Then it raises armies of several --sizes by clone, to show whether the cost of
a zombie grows with their number, for raising and for reaping.

A contestant that is not installed (gcc, stress-ng) is named and left out.`,
		Example: `  zombench speed
  zombench speed --rounds 10 --sizes 1000,10000,100000,1000000 --raise-limits`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = rand.Uint64()
			}
			return runSpeed(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.count, "count", 10_000, "zombies in an army of the comparison")
	flags.IntVar(&f.rounds, "rounds", 6, "armies of each contestant")
	flags.IntSliceVar(&f.sizes, "sizes", []int{1000, 10_000, 100_000}, "armies raised by clone alone; a list, empty for none")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the order (default random; it is recorded)")
	flags.StringVarP(&f.out, "output", "o", "", "write the results to this file")
	flags.StringVar(&f.zombied, "zombied", "", "path of the daemon (default: beside zombench, then on PATH)")
	flags.BoolVar(&f.raise, "raise-limits", false, "raise kernel.pid_max and kernel.threads-max as far as the armies need, and put them back")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	flags.StringVar(&f.lock, "lock", janitor.Path(), "lock file under which one run at a time works")
	flags.MarkHidden("lock")
	return cmd
}

func runSpeed(ctx context.Context, stdout, stderr io.Writer, f speedFlags) (err error) {
	if f.count < 1 || f.rounds < 1 {
		return usageErrorf("--count and --rounds: want 1 or more, have %d and %d", f.count, f.rounds)
	}
	zombied, err := findZombied(f.zombied)
	if err != nil {
		return err
	}
	out, err := openOutput(f.out, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	lab, err := openLab(ctx, zombied, f.lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	var remarks []string
	if f.raise {
		changed, err := lab.RaiseLimits(armies(append(f.sizes, f.count)))
		if err != nil {
			return err
		}
		remarks = append(remarks, changed...)
	}
	cpu, err := speed.LastCPU()
	if err != nil {
		return err
	}
	contestants, absent, err := contestants(ctx, zombied, cpu)
	if err != nil {
		return err
	}
	remarks = append(remarks, absent...)
	var heats []speed.Heat
	for _, c := range contestants {
		heat := speed.Heat{Contestant: c, Count: f.count}
		if slices.Contains(cloners, c.Name()) {
			heat.Times = cloneTimes
		}
		heats = append(heats, heat)
	}
	if err := lab.Preflight(armies([]int{f.count})); err != nil {
		return err
	}
	for _, size := range f.sizes {
		plan := armies([]int{size})
		if err := plan.Validate(); err != nil {
			return &exitError{usageStatus, err}
		}
		if err := errors.Join(lab.Preflight(plan), lab.TryMemory(ctx, plan)); err != nil {
			remarks = append(remarks, fmt.Sprintf("left out: %v", err))
			continue
		}
		if size != f.count {
			heats = append(heats, speed.Heat{Contestant: speed.Zombied{Binary: zombied, Spawn: "clone", CPU: cpu}, Count: size})
		}
	}
	for _, r := range remarks {
		fmt.Fprintf(stderr, "zombench: %s\n", r)
	}
	plan := armies([]int{f.count})
	plan.Seed = f.seed
	out.header = header(lab, plan)
	out.header.Comments = append(out.header.Comments, fmt.Sprintf("zombench speed, all on CPU %d", cpu))
	out.header.Comments = append(out.header.Comments, remarks...)

	watch := newProgress(stderr, f.quiet)
	var all []speed.Result
	err = speed.Run(ctx, heats, f.rounds, f.seed, func(i, n int, h speed.Heat) {
		watch.Begin(i, n, bench.Setup{Bench: "Speed", Count: h.Count, Parallel: 1, Spawn: h.Contestant.Name()})
	}, func(r speed.Result) error {
		all = append(all, r)
		for _, t := range trials(r) {
			if err := out.WriteTrial(t); err != nil {
				return err
			}
			watch.End(t)
		}
		return nil
	})
	watch.Close()
	if ctx.Err() != nil {
		return &exitError{interruptStatus, fmt.Errorf("interrupted after %d armies", len(all))}
	}
	if err != nil {
		return err
	}
	return writeSpeed(stdout, lab, all, f.count)
}

// armies plans armies by clone, for the limits to be asked.
func armies(counts []int) bench.Plan {
	slices.Sort(counts)
	return bench.Plan{Counts: slices.Compact(counts), Parallels: []int{1}, Spawns: []string{"clone"}, Samples: 1}
}

// contestants returns who takes part, and says who does not and why.
func contestants(ctx context.Context, zombied string, cpu int) (all []speed.Contestant, absent []string, err error) {
	for _, spawn := range []string{"clone", "exec", "os-exec"} {
		all = append(all, speed.Zombied{Binary: zombied, Spawn: spawn, CPU: cpu})
	}
	peers, err := speed.Compile(ctx, cpu)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		absent = append(absent, "without the peers in C: there is no gcc; install it, on Debian by apt install gcc libc6-dev")
	case err != nil:
		return nil, nil, err
	}
	all = append(all, peers...)
	if _, err := exec.LookPath("stress-ng"); err != nil {
		absent = append(absent, "without stress-ng: it is not installed; on Debian by apt install stress-ng")
	} else {
		all = append(all, speed.StressNG{CPU: cpu})
	}
	return all, absent, nil
}

// trials returns the lines of a result file for one army.
func trials(r speed.Result) []results.Trial {
	line := func(bench string, d time.Duration) results.Trial {
		return results.Trial{
			Bench:  bench,
			Params: []results.Param{{Key: "by", Value: r.Contestant.Name()}, {Key: "count", Value: strconv.Itoa(r.Count)}},
			N:      r.Count,
			Values: []results.Value{{Unit: results.UnitTime, Value: each(d, r.Count)}},
		}
	}
	lines := []results.Trial{line("Raise", r.Raise)}
	if r.Reap > 0 {
		lines = append(lines, line("Reap", r.Reap))
	}
	return lines
}

// each returns nanoseconds a zombie.
func each(d time.Duration, count int) float64 { return float64(d.Nanoseconds()) / float64(count) }

// base is whom the others are compared with.
const base = "c-clone"

// Those whose armies take a fraction of a second raise several in a round:
// what else the machine does in a moment would else decide between them.
const cloneTimes = 5

var cloners = []string{base, "zombied-clone"}

// writeSpeed prints what came out: one row a contestant and size.
func writeSpeed(w io.Writer, lab *bench.Lab, all []speed.Result, count int) error {
	type row struct {
		name  string
		count int
	}
	var order []row
	heats := make(map[row][]speed.Result)
	for _, r := range all {
		k := row{r.Contestant.Name(), r.Count}
		if heats[k] == nil {
			order = append(order, k)
		}
		heats[k] = append(heats[k], r)
	}
	median := func(k row, of func(speed.Timing) time.Duration) benchmath.Summary {
		var values []float64
		for _, r := range heats[k] {
			values = append(values, each(of(r.Timing), k.count)/1000)
		}
		return summarize(values)
	}
	raise := func(t speed.Timing) time.Duration { return t.Raise }
	reap := func(t speed.Timing) time.Duration { return t.Reap }
	slices.SortFunc(order, func(a, b row) int {
		if a.count != b.count && (a.count == count || b.count == count) {
			return map[bool]int{true: -1, false: 1}[a.count == count]
		}
		if a.count != b.count {
			return a.count - b.count
		}
		return int(math.Copysign(1, median(a, raise).Center-median(b, raise).Center))
	})

	// rounds returns the median of each round.
	rounds := func(k row) map[int]float64 {
		armies := make(map[int][]float64)
		for _, r := range heats[k] {
			armies[r.Round] = append(armies[r.Round], each(r.Raise, r.Count))
		}
		medians := make(map[int]float64)
		for round, values := range armies {
			medians[round] = summarize(values).Center
		}
		return medians
	}
	reference := rounds(row{base, count})
	header := []string{"by", "count", "n", "raise µs", "reap µs", "raise / " + base}
	var rows [][]string
	for _, k := range order {
		ratio := ""
		if len(reference) > 0 {
			// Round by round: both were at work in the same minute.
			var ratios []float64
			for round, median := range rounds(k) {
				if b, ok := reference[round]; ok {
					ratios = append(ratios, median/b)
				}
			}
			ratio = interval(summarize(ratios), 2)
		}
		reaped := "in raise"
		if heats[k][0].Reap > 0 {
			reaped = interval(median(k, reap), 1)
		}
		rows = append(rows, []string{k.name, strconv.Itoa(k.count), strconv.Itoa(len(heats[k])),
			interval(median(k, raise), 1), reaped, ratio})
	}
	sentence := fmt.Sprintf("Raising and reaping one zombie on Linux %s/%s, all on one CPU: median and 95 %% interval of n armies.", lab.Machine.Kernel, lab.Machine.GOARCH)
	return writeText(w, sentence, header, rows, "Ratios are taken round by round, of its medians. stress-ng tells one time for raising and reaping together.")
}

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}

// interval formats a median with its interval.
func interval(s benchmath.Summary, digits int) string {
	if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		return fmt.Sprintf("%.*f", digits, s.Center)
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, s.Center, digits, s.Lo, digits, s.Hi)
}
