package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombench/bench"
	"zombench/bench/daemon/pidns"
	"zombench/bench/janitor"
	"zombench/bench/kernels/job"
	"zombench/measure"
	"zombench/results"
)

// The programs that the harness becomes.
const (
	janitorCommand = "janitor"
	pidnsCommand   = "pidns-init"
)

func dispatch() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case janitorCommand:
		os.Exit(janitor.Main(os.Args[2:]))
	case pidnsCommand:
		os.Exit(pidns.Main(os.Stderr, os.Args[2:]))
	}
}

// run measures this machine as zombench run does, and writes the result file to
// stdout.
func run(ctx context.Context, j job.Job, stdout, stderr io.Writer) (err error) {
	plan, err := planOf(j)
	if err != nil {
		return err
	}
	lab, err := bench.Open(ctx, bench.Options{
		FS:       measure.Host(),
		Zombied:  job.Zombied,
		LockPath: janitor.Path(),
		Janitor:  []string{janitorCommand},
		Init:     []string{pidnsCommand},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	if err := lab.Preflight(plan); err != nil {
		return err
	}
	out := results.NewWriter(stdout)
	if err := out.WriteHeader(header(lab, plan, j)); err != nil {
		return err
	}
	lab.Settling = settling(lab.Settling)
	tally, err := lab.Run(ctx, plan, timeless{out}, &progress{to: stderr, last: time.Now()})
	if err == nil && tally.Good+tally.Noisy == 0 {
		err = fmt.Errorf("all %d trials were broken: nothing was measured", tally.Broken)
	}
	return err
}

// planOf returns the plan that a job's fields say.
func planOf(j job.Job) (bench.Plan, error) {
	plan := bench.Plan{Samples: j.Samples, Seed: j.Seed, Spawns: strings.Split(j.Fields["spawn"], ",")}
	for name, list := range map[string]*[]int{"count": &plan.Counts, "parallel": &plan.Parallels} {
		for _, word := range strings.Split(j.Fields[name], ",") {
			n, err := strconv.Atoi(word)
			if err != nil {
				return plan, fmt.Errorf("%s: %w", name, err)
			}
			*list = append(*list, n)
		}
	}
	return plan, plan.Validate()
}

// settling is how s becomes a guest's, where instructions are emulated and a
// reading takes its time: fewer of them, and more time for all.
func settling(s bench.Settling) bench.Settling {
	s.Every, s.Still, s.Within = 100*time.Millisecond, 3, 30*time.Second
	if s.AtLeast > 0 {
		s.Every = 500 * time.Millisecond
	}
	return s
}

// header is the head of the result file: what is known here, and what only the
// host knows.
func header(lab *bench.Lab, p bench.Plan, j job.Job) results.Header {
	m := lab.Machine
	h := results.Header{
		Config: []results.Param{
			{Key: "kernel", Value: m.Kernel},
			{Key: "goos", Value: runtime.GOOS},
			{Key: "goarch", Value: m.GOARCH},
			{Key: "cpu", Value: m.CPU},
			{Key: "page-size", Value: fmt.Sprint(m.PageSize)},
			{Key: "cgroup", Value: lab.CgroupKind()},
			{Key: "vm", Value: j.VM},
		},
		Comments: []string{
			"zombench " + j.Version + ", " + time.Now().UTC().Format(time.RFC3339),
			fmt.Sprintf("seed %d, %d trials, %d CPUs online", p.Seed, len(p.Trials()), m.CPUs),
		},
		Units: slices.DeleteFunc(results.Units(), func(u results.UnitMeta) bool { return u.Unit == results.UnitTime }),
	}
	for _, i := range lab.Instruments.Missing() {
		h.Comments = append(h.Comments, missing(i))
	}
	h.Comments = append(h.Comments, j.Comments...)
	return h
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

// timeless records trials without their durations, which mean nothing where
// instructions are emulated.
type timeless struct{ bench.Recorder }

func (r timeless) WriteTrial(t results.Trial) error {
	t.Values = slices.DeleteFunc(slices.Clone(t.Values), func(v results.Value) bool { return v.Unit == results.UnitTime })
	return r.Recorder.WriteTrial(t)
}
