// Package foreign measures the zombies of programs that are none of this
// project's: a server that forgets to wait, a stress test, anything.
//
// It believes nothing that such a program says, and cannot hold it before its
// army or have it reap. So it turns the experiment round: the program runs in a
// fresh cgroup until the number of tasks there stands still, then it is killed.
// Its zombies come to the harness, a child subreaper, as they are, and stand on
// with nothing beside them; what the kernel gives back when they are collected is
// what they held.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/results"
)

// Spawn is what stands in the results in place of a way of spawning.
const Spawn = "foreign"

// An Army is what a command leaves behind.
type Army struct {
	Command string        // for sh -c
	Count   int           // zombies to measure; 0: as many as it leaves
	Still   time.Duration // the tasks count as standing still when they have done so for so long
	Within  time.Duration // it is given up after so long
}

// Defaults are for a program that raises its army at once.
func Defaults(command string) Army {
	return Army{Command: command, Still: time.Second, Within: time.Minute}
}

// pace is the time between two looks at the tasks.
const pace = 10 * time.Millisecond

// Trial runs the command once and measures its zombies. What it did wrong
// makes a broken trial; the error is for what is wrong here.
func Trial(ctx context.Context, lab *bench.Lab, a Army) (result results.Trial, err error) {
	if lab.Doing == nil {
		lab.Doing = func(string) {}
	}
	site, err := lab.Site()
	if err != nil {
		return result, err
	}
	site.ReadAll()
	defer func() { err = errors.Join(err, site.Close()) }()
	lab.Doing("starting the command")
	cmd := exec.Command("sh", "-c", a.Command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := site.Start(cmd); err != nil {
		return result, fmt.Errorf("starting sh: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is its own affair
		close(exited)
	}()
	program := &program{site: site, exited: exited, main: cmd.Process.Pid}
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, program.kill(cleanup))
	}()

	t := &bench.Trial{Setup: bench.Setup{Bench: results.Zombies, Spawn: Spawn}}
	lab.Doing("waiting until its tasks stand still")
	found, why, err := program.settle(ctx, lab, a)
	t.Count = a.Count
	if a.Count == 0 {
		t.Count = found
	}
	if err == nil && why == "" {
		why, err = program.measure(ctx, lab, t)
	}
	if err != nil {
		return result, err
	}
	if t.Broken = why; t.Before.Pids == nil {
		t.After = bench.Sample{} // there is nothing to compare it with
	}
	result = lab.Result(t)
	// Nobody knows by how many threads they were raised.
	result.Params = []results.Param{{Key: "count", Value: strconv.Itoa(t.Count)}, {Key: "spawn", Value: Spawn}}
	result.Notes = append(result.Notes, "daemon: "+a.Command,
		fmt.Sprintf("about %d zombies were found beside the command; before: collected, after: standing", found))
	return result, nil
}

// A program is the command at work.
type program struct {
	site   *bench.Site
	main   int           // pid of the command itself
	exited chan struct{} // the command itself was waited for
}

// settle waits until the number of tasks stands still, and counts the zombies
// among them: rather a few less, if some come and go. It says why the command is
// not worth measuring.
func (p *program) settle(ctx context.Context, lab *bench.Lab, a Army) (zombies int, why string, err error) {
	start := time.Now()
	last, err := p.site.Pids().Current()
	if err != nil {
		return 0, "", err
	}
	same, near, lo, hi := start, start, last, last
	// One that is always at it, a zombie gone and one come, stands still too; but
	// that takes longer to tell from one that is not done yet.
	for time.Since(same) < a.Still && time.Since(near) < 10*a.Still {
		n, err := p.site.Pids().Current()
		if err != nil {
			return 0, "", err
		}
		now := time.Now()
		if n != last {
			same, last = now, n
		}
		if lo, hi = min(lo, n), max(hi, n); hi-lo > max(2, hi/100) {
			near, lo, hi = now, n, n
		}
		if time.Since(start) > a.Within {
			return 0, fmt.Sprintf("its tasks did not stand still within %v: %d to %d", a.Within, lo, hi), nil
		}
		select {
		case <-ctx.Done():
			return 0, "", context.Cause(ctx)
		case <-time.After(pace):
		}
	}
	living, err := p.site.Procs()
	if err != nil {
		return 0, "", err
	}
	n, err := p.site.Pids().Current()
	if err != nil {
		return 0, "", err
	}
	zombies = int(n)
	for _, pid := range living {
		if p, err := lab.FS.Process(pid); err == nil {
			zombies -= p.Threads
		}
	}
	if zombies < 1 {
		return zombies, "the command leaves no zombie", nil
	}
	if time.Since(same) < a.Still {
		zombies -= zombies / 20
	}
	return zombies, "", nil
}

// measure kills the command, and takes samples with and without as many of its
// zombies as are asked for.
func (p *program) measure(ctx context.Context, lab *bench.Lab, t *bench.Trial) (why string, err error) {
	lab.Doing("killing the command")
	if err := p.kill(ctx); err != nil {
		return "", err
	}
	sample := func(when string, reached func(bench.Sample) bool) (bench.Sample, error) {
		lab.Doing("settling " + when)
		s, restless, err := p.site.Settle(ctx, reached)
		if restless != "" {
			t.Noisy = append(t.Noisy, fmt.Sprintf("%s did not stand still within %v %s", restless, lab.Settling.Within, when))
		}
		return s, err
	}
	// What it had running besides is among them now, if nobody waits for that.
	left, err := p.site.Pids().Current()
	if err != nil {
		return "", err
	}
	surplus := int(left) - t.Count
	if surplus < 0 {
		return fmt.Sprintf("of %d zombies %d are left after the command was killed: somebody has collected them, such as the end of a pid namespace", t.Count, left), nil
	}
	if _, err := p.site.CollectSome(surplus); err != nil {
		return "", err
	}
	if t.After, err = sample("with the army", nil); err != nil {
		return "", err
	}
	if *t.After.Pids != uint64(t.Count) {
		return fmt.Sprintf("%d zombies stand, and not %d", *t.After.Pids, t.Count), nil
	}
	lab.Doing("collecting")
	collected, err := p.site.Collect(ctx)
	if err != nil {
		return "", err
	}
	none := func(s bench.Sample) bool { return *s.Pids == 0 }
	if t.Before, err = sample("without the army", none); err != nil {
		return "", err
	}
	t.Reaped = t.Before
	if collected != t.Count || *t.Before.Pids != 0 {
		return fmt.Sprintf("%d of %d zombies were collected and %d tasks are left", collected, t.Count, *t.Before.Pids), nil
	}
	return "", nil
}

// kill ends all that lives of the command, and returns when it is dead. It is
// stopped first: a parent that sees a child die might collect.
func (p *program) kill(ctx context.Context) error {
	for {
		living, err := p.site.Procs()
		if err != nil {
			return err
		}
		for _, sig := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
			for _, pid := range living {
				// It may have ended; its pid is not free before we collect.
				if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("killing the command: %w", err)
				}
			}
		}
		if len(living) == 0 {
			<-p.exited
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}
