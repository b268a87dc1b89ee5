package bench

import (
	"context"
	"fmt"

	"zombench/results"
)

// A Recorder takes the results of a run as they come.
type Recorder interface {
	WriteTrial(results.Trial) error
}

// A Watcher is told how a run proceeds.
type Watcher interface {
	Begin(i, n int, s Setup) // trial i of n, from 0, begins
	Doing(what string)       // what the trial is at
	End(results.Trial)       // it ended
}

// A Tally counts the trials of a run.
type Tally struct {
	Planned, Good, Noisy, Broken int
}

// Done returns how many trials were run.
func (t Tally) Done() int { return t.Good + t.Noisy + t.Broken }

// Run runs the trials of the plan, each recorded as soon as it ended. When
// ctx ends, the trial at work is given up and what was recorded stays.
func (l *Lab) Run(ctx context.Context, p Plan, rec Recorder, w Watcher) (Tally, error) {
	return l.Each(ctx, p, w, func(_ *Trial, r results.Trial) error { return rec.WriteTrial(r) })
}

// Each runs the trials of the plan as Run does, and hands each to done as soon
// as it ended, with all its readings and as the line of a result file.
func (l *Lab) Each(ctx context.Context, p Plan, w Watcher, done func(*Trial, results.Trial) error) (Tally, error) {
	trials := p.Trials()
	tally := Tally{Planned: len(trials)}
	l.Doing = w.Doing
	for i, setup := range trials {
		w.Begin(i, len(trials), setup)
		trial, err := l.Trial(ctx, setup)
		if err != nil {
			return tally, fmt.Errorf("trial %d of %d (%s): %w", i+1, len(trials), setup, err)
		}
		result := l.Result(trial)
		switch {
		case result.Broken != "":
			tally.Broken++
		case len(result.Warnings) > 0:
			tally.Noisy++
		default:
			tally.Good++
		}
		if err := done(trial, result); err != nil {
			return tally, fmt.Errorf("recording trial %d of %d: %w", i+1, len(trials), err)
		}
		w.End(result)
	}
	return tally, nil
}
