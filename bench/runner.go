package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/results"
)

// A Runner runs experiments: one lifecycle, one schedule, one file.
type Runner struct {
	Experiments []Experiment
	Match       string        // as of go test -bench, over the names of all; "" matches all
	Samples     int           // trials of each setup; 0: as each experiment has it
	Seed        uint64        // of the order of the trials
	Budget      time.Duration // how long the run may take; 0: as long as the plan takes
	RaiseLimits bool          // raise kernel.pid_max and kernel.threads-max as far as the armies need
	Options     Options

	Version  string          // of this program, for the head of the file
	Config   []results.Param // further keys of the file's configuration
	Comments []string        // further comments at its head
	Kernel   results.Kernel  // what the ledger has to know of this kernel

	Output   Recorder
	Progress Progress     // nil: nobody is told
	Notice   func(string) // told what a user should know, one line each; nil: nobody
}

// A Recorder takes the results of a run as they come: the header once, before
// the first trial, and each slab cache before the first trial that mentions it.
type Recorder interface {
	WriteHeader(results.Header) error
	Describe(results.Cache) // of which a trial's readings will tell
	WriteTrial(results.Trial) error
}

// A Skip is a benchmark that cannot be run here, and why.
type Skip struct {
	Name string
	Err  error
}

// A Fault is what is wrong with something that was tested.
type Fault struct{ Name, What string }

// A Tally is what became of the trials of a run.
type Tally struct {
	Planned, Good, Flagged, Broken int
	Skipped                        []Skip
	Faults                         []Fault
}

// Done returns how many trials were run.
func (t Tally) Done() int { return t.Good + t.Flagged + t.Broken }

// Err is what is wrong with a run that came to its end: what was tested is at fault,
// or every trial was broken.
func (t Tally) Err() error {
	var faults []error
	for _, f := range t.Faults {
		faults = append(faults, fmt.Errorf("%s: %s", f.Name, f.What))
	}
	if len(faults) == 0 && t.Good+t.Flagged == 0 {
		return fmt.Errorf("all %d trials were broken, so nothing was measured; the results give the reasons", t.Broken)
	}
	return errors.Join(faults...)
}

// Validate reports what cannot be run as it was asked for, before anything is
// touched: a *FieldError, or a pattern that matches nothing.
func (r *Runner) Validate() error {
	_, err := plan(r.Experiments, r.Match, r.Samples)
	return err
}

// Run opens a lab and runs the trials. Each is recorded as soon as it ended.
// When ctx ends, the trial at work is given up and what was recorded stays.
func (r *Runner) Run(ctx context.Context) (tally Tally, err error) {
	start := time.Now()
	if r.Progress == nil {
		r.Progress = silent{}
	}
	if r.Notice == nil {
		r.Notice = func(string) {}
	}
	asked, err := plan(r.Experiments, r.Match, r.Samples)
	if err != nil {
		return tally, err
	}
	lab, err := Open(ctx, r.Options)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	defer r.Progress.Close()

	var notices []string // for the file too
	notice := func(line string) {
		notices = append(notices, line)
		r.Notice(line)
	}
	for _, line := range lab.Notices {
		notice(line)
	}
	if r.RaiseLimits {
		if err := lab.raiseLimits(asked, notice); err != nil {
			return tally, err
		}
	}
	setups, err := r.preflight(ctx, lab, asked, &tally)
	if err != nil {
		return tally, err
	}
	for _, n := range lab.Instruments.Notices() {
		r.Notice(n)
	}
	var fitted string
	if r.Budget > 0 {
		if setups, fitted, err = r.fit(ctx, lab, setups, start); err != nil {
			return tally, err
		}
		r.Notice(fitted)
	}
	config := r.Config
	if slices.ContainsFunc(setups, func(p planned) bool { return p.Army.executes() }) {
		program, note, err := daemon.Program(ctx, lab.Zombied, lab.Program)
		if err != nil {
			return tally, err
		}
		if note != "" {
			r.Notice(note)
		}
		config = append(slices.Clone(config), results.Param{Key: results.ProgramKey, Value: program})
	}
	trials := schedule(setups, r.Seed)
	tally.Planned = len(trials)
	h := r.header(lab, setups, len(trials), config, notices)
	if fitted != "" {
		h.About = append(h.About, results.Explanation{Name: results.AboutBudget, Text: fitted})
	}
	if err := r.Output.WriteHeader(h); err != nil {
		return tally, err
	}
	err = r.run(ctx, lab, trials, h.Run, &tally)
	return tally, err
}

// preflight returns the setups that can be run here. What this machine lacks is
// skipped, and so is the control of what is; an army that does not fit under its
// limits is an error, unless it is optional.
func (r *Runner) preflight(ctx context.Context, lab *Lab, asked []planned, tally *Tally) ([]planned, error) {
	var able []planned
	tried := make(map[Army]error)
	for _, s := range asked {
		if err := lab.Lacks(s.Setup); err != nil {
			r.skip(tally, s.Setup, err)
			continue
		}
		err, done := tried[s.Army]
		if !done {
			if err = lab.preflight(s.Army); err == nil {
				err = lab.tryMemory(ctx, s.Army)
			}
			tried[s.Army] = err
		}
		switch {
		case err != nil && s.Army.Optional && ctx.Err() == nil:
			r.skip(tally, s.Setup, err)
			continue
		case err != nil:
			return nil, err
		}
		able = append(able, s)
	}
	useful := slices.DeleteFunc(slices.Clone(able), func(s planned) bool {
		return s.Control && s.controlsAny(asked) && !s.controlsAny(able)
	})
	if len(useful) == 0 {
		return nil, fmt.Errorf("none of these benchmarks can run here: %s: %w", tally.Skipped[0].Name, tally.Skipped[0].Err)
	}
	return useful, nil
}

func (r *Runner) skip(tally *Tally, s Setup, err error) {
	tally.Skipped = append(tally.Skipped, Skip{s.Name(), err})
	r.Notice(fmt.Sprintf("%s is skipped: %v", s.Name(), err))
}

// run runs the trials.
func (r *Runner) run(ctx context.Context, lab *Lab, trials []planned, this results.Run, tally *Tally) error {
	skipped := make(map[string]bool)
	for i, t := range trials {
		name := t.Name()
		if skipped[name] {
			continue
		}
		r.Progress.Begin(i, len(trials), name)
		result, fault, err := lab.trial(ctx, t.Setup, r.Progress)
		if ctx.Err() == nil && (errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted)) {
			skipped[name] = true
			for _, left := range trials[i:] {
				if left.Name() == name {
					tally.Planned--
				}
			}
			r.skip(tally, t.Setup, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("trial %d of %d (%s): %w", i+1, len(trials), name, err)
		}
		result.Serial = results.Serial{Run: this.ID, Number: uint64(i) + 1}
		for _, c := range lab.describe(result.Readings) {
			r.Output.Describe(c)
		}
		if err := r.Output.WriteTrial(result); err != nil {
			return fmt.Errorf("recording trial %d of %d: %w", i+1, len(trials), err)
		}
		switch { // only what is recorded is done
		case result.Broken != "":
			tally.Broken++
		case len(result.Warnings) > 0:
			tally.Flagged++
		default:
			tally.Good++
		}
		if fault != "" {
			tally.Faults = append(tally.Faults, Fault{result.Name(), fault})
		}
		r.Progress.End(result)
	}
	return nil
}

// isTime reports whether a unit is of time, by the rule by which benchunit makes
// seconds of it. It means nothing where instructions are emulated.
func isTime(unit string) bool {
	numerator, _, _ := strings.Cut(unit, "/")
	return numerator == "ns" || strings.HasSuffix(numerator, "-ns")
}

// header describes the run at the head of its file.
func (r *Runner) header(lab *Lab, setups []planned, trials int, config []results.Param, notices []string) results.Header {
	m := lab.Machine
	cpus := "1 CPU"
	if m.CPUs != 1 {
		cpus = fmt.Sprintf("%d CPUs", m.CPUs)
	}
	h := results.Header{
		Config: append([]results.Param{
			{Key: "kernel", Value: m.Kernel},
			{Key: "goos", Value: runtime.GOOS},
			{Key: "goarch", Value: m.GOARCH},
			{Key: "cpu", Value: m.CPU},
			{Key: "page-size", Value: fmt.Sprint(m.PageSize)},
			{Key: "cgroup", Value: lab.CgroupKind()},
		}, config...),
		Comments: append([]string{
			"zombench " + r.Version + ", " + time.Now().UTC().Format(time.RFC3339),
			fmt.Sprintf("seed %d, %d trials, %s online", r.Seed, trials, cpus),
		}, r.Comments...),
	}
	for _, missing := range lab.Instruments.Missing() {
		h.Comments = append(h.Comments, missing.String())
	}
	h.Comments = append(h.Comments, notices...)
	h.Run = results.NewRun(trials)
	h.Kernel = r.Kernel
	h.Kernel.PossibleCPUs = uint64(m.Possible)
	seen := make(map[string]bool)
	for _, s := range setups {
		if s.About != "" && !seen[s.Name()] {
			seen[s.Name()] = true
			h.About = append(h.About, results.Explanation{Name: s.Name(), Text: s.About})
		}
		for _, u := range s.experiment.Units {
			if !seen["unit "+u.Name] && !(lab.emulated && isTime(u.Name)) {
				seen["unit "+u.Name] = true
				h.Units = append(h.Units, u)
			}
		}
	}
	return h
}
