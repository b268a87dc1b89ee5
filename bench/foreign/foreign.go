// Package foreign measures the zombies of programs that are none of this
// project's: a server that forgets to wait, a stress test, anything.
//
// Such a program cannot be held before its army or made to reap, and nothing
// that it says is relied on. So the experiment is turned round: the program runs
// in a fresh cgroup until the number of tasks there stays the same, then it is
// killed. Its zombies come to the harness, a child subreaper, as they are, and
// stay with nothing beside them; what the kernel gives back when they are
// collected is what they held.
//
// In flows a command, out flow trials like those of package memory. It is not for
// programs whose zombies are reaped before they can be counted.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/daemon/pidns"
	"zombench/bench/memory"
	"zombench/bench/tail"
	"zombench/bench/wait"
	"zombench/results"
)

// spawn is what stands in the results in place of a way of spawning.
const spawn = "foreign"

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{still: time.Second, within: time.Minute}
	return bench.Experiment{
		Name:    "foreign",
		Asks:    "how much memory do the zombies of another program hold?",
		Units:   results.Units(),
		Samples: 10,
		Fields: []bench.Field{
			{Name: "daemon", Usage: "measure the zombies of this shell command, any program that leaves some", Value: bench.Text(&p.command, "command")},
			{Name: "still", Usage: "measure the --daemon when its tasks have been the same for this long", Value: bench.Duration(&p.still, time.Millisecond)},
			{Name: "within", Usage: "give up if they are not within this time", Value: bench.Duration(&p.within, time.Millisecond)},
			{Name: "pidns", Usage: "nested pid namespaces that it runs in, each with an init", Value: bench.Int(&p.pidns, 0, pidns.MaxLevels-1)},
		},
		Setups: p.setups,
	}
}

// A plan is what the user may set.
type plan struct {
	command string        // for sh -c
	still   time.Duration // the tasks count as settled when they have stayed the same for so long
	within  time.Duration // it is given up after so long
	pidns   int           // nested pid namespaces; 0: in ours

	count int // zombies of all trials: only like is compared with like. 0 before the first
}

func (p *plan) setups() ([]bench.Setup, error) {
	if strings.TrimSpace(p.command) == "" {
		return nil, bench.FieldErrorf("daemon", "give the command of a program that leaves zombies")
	}
	return []bench.Setup{{
		Bench: results.Zombies, Params: []results.Param{{Key: "spawn", Value: spawn}},
		About: "the zombies that the command leaves: " + p.command,
		Needs: []bench.Need{bench.NeedRoot, bench.NeedCgroup},
		Run:   p.run,
	}}, nil
}

// pace is the time between two looks at the tasks.
const pace = 10 * time.Millisecond

// run runs the command once and measures its zombies. What it did wrong makes
// a broken trial; any other error is for what is wrong here.
func (p *plan) run(ctx context.Context, s *bench.Site) error {
	s.ReadSystem()
	s.Doing("starting the command")
	s.Note("daemon: %s", p.command)
	cmd := exec.Command("sh", "-c", p.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Whoever inherits its standard error may outlive it.
	cmd.WaitDelay = time.Second
	says := new(tail.Log)
	cmd.Stderr = says
	var inits *pidns.Keeper
	if p.pidns > 0 {
		var err error
		if inits, err = pidns.Keep(cmd, p.pidns); err != nil {
			return err
		}
	}
	if err := s.Start(cmd); err != nil {
		if inits != nil {
			err = errors.Join(fmt.Errorf("in a pid namespace: %w", err), inits.Close())
		}
		return fmt.Errorf("starting sh: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is judged by what it leaves
		close(exited)
	}()
	w := &program{Steps: &bench.Steps{Site: s, Ctx: ctx}, plan: p, cmd: cmd, exited: exited, says: says, inits: inits}
	if inits != nil {
		s.Cleanup(func(context.Context) error {
			err := inits.Close()
			<-exited
			return err
		})
	}
	s.Cleanup(w.kill)
	if inits != nil {
		if err := inits.Await(ctx, s.Lab.FS, cmd.Process.Pid, exited); err != nil {
			return fmt.Errorf("starting sh in a pid namespace: %w%s", err, w.said())
		}
	}
	w.measure()
	return w.Err
}

// A program is the command at work.
type program struct {
	*bench.Steps
	plan   *plan
	cmd    *exec.Cmd     // the command itself, or the outermost init
	exited chan struct{} // that was waited for
	says   *tail.Log
	inits  *pidns.Keeper // of the namespaces that it runs in; nil: it runs in ours
}

// measure takes samples with and without as many of the command's zombies as
// are asked for.
func (p *program) measure() {
	var found int
	p.Step(func() (err error) { found, err = p.settle(p.Ctx); return err })
	if p.Err != nil {
		return
	}
	count := p.plan.count
	if count == 0 {
		count = found
	}
	p.Result.N = count
	p.Result.Params = []results.Param{{Key: "count", Value: strconv.Itoa(count)}, {Key: "spawn", Value: spawn}}
	p.Note("about %d zombies were found beside the command; before: collected, after: uncollected", found)
	p.Doing("killing the command")
	p.Step(func() error { return p.kill(p.Ctx) })
	// What it had running besides is among them now, if nobody waits for that.
	left := p.tasks()
	p.Check(left >= count, "of %d zombies %d are left after the command was killed: somebody has collected them, such as the end of a pid namespace (with pidns 1 the command gets one that stays)", count, left)
	p.collect(left - count)
	after := p.Settle("after")
	left = p.tasks()
	p.Check(left == count, "%d zombies are left, and not %d", left, count)
	p.Doing("collecting")
	collected := p.collect(count)
	var before bench.Sample
	p.Step(func() (err error) {
		before, err = p.Site.Settle(p.Ctx, "before", func(s bench.Sample) bool { return *s.Pids == *after.Pids-uint64(count) })
		return err
	})
	if p.Err != nil {
		return
	}
	p.Result.Values = memory.Values(p.Lab, count, before, after)
	left = p.tasks()
	p.Check(collected == count && left == 0, "%d of %d zombies were collected and %d are left", collected, count, left)
	if p.Err == nil {
		p.plan.count = count
	}
}

// settle waits until the number of tasks stays the same, and counts the zombies
// among them: rather a few less, if some come and go.
func (p *program) settle(ctx context.Context) (zombies int, err error) {
	still := p.plan.still
	start := time.Now()
	last, err := p.Site.Tasks()
	if err != nil {
		return 0, err
	}
	same, near, lo, hi := start, start, last, last
	// One that is always at it, a zombie gone and one come, stays the same too; but
	// that takes longer to tell from one that is not done yet.
	for time.Since(same) < still && time.Since(near) < 10*still {
		p.Doing(fmt.Sprintf("waiting until the number of tasks stays the same for %v, now %d (gives up after %v)", still, last, p.plan.within))
		n, err := p.Site.Tasks()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		if n != last {
			same, last = now, n
		}
		if lo, hi = min(lo, n), max(hi, n); hi-lo > max(2, hi/100) {
			near, lo, hi = now, n, n
		}
		if time.Since(start) > p.plan.within {
			return 0, bench.Brokenf("the number of its tasks did not stay the same for %v within %v: %d to %d; a daemon that waits to be a child of pid 1 needs pidns 1", still, p.plan.within, lo, hi)
		}
		if err := wait.Sleep(ctx, pace); err != nil {
			return 0, err
		}
	}
	how, err := p.ended(ctx)
	if err != nil {
		return 0, err
	}
	n, err := p.Zombies()
	if err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, bench.Brokenf("the command leaves no zombie%s", how)
	}
	if time.Since(same) < still {
		n -= n / 20
	}
	return n, nil
}

// ended says how the command ended, if it has ended badly; "" else. Its own
// zombie is gone then, wherever it ran.
func (p *program) ended(ctx context.Context) (string, error) {
	var status syscall.WaitStatus
	if p.inits != nil {
		end, ended, err := p.inits.Ended(ctx)
		if !ended {
			return "", err
		}
		status = syscall.WaitStatus(end)
	} else {
		select {
		case <-p.exited:
			if state := p.cmd.ProcessState; state != nil {
				status, _ = state.Sys().(syscall.WaitStatus)
			}
		default:
		}
	}
	switch {
	case status == 0:
		return "", nil
	case status.Signaled():
		return fmt.Sprintf(": it was ended by a signal (%v)%s", status.Signal(), p.said()), nil
	}
	return fmt.Sprintf(": it ended with exit status %d%s", status.ExitStatus(), p.said()), nil
}

// said returns the last line that the command has printed on its standard error.
func (p *program) said() string {
	if line := p.says.LastLine(); line != "" {
		return ": " + line
	}
	return ""
}

// tasks counts the tasks in the cgroup besides the inits.
func (p *program) tasks() (n int) {
	n = p.Tasks()
	p.Step(func() error {
		if p.inits == nil {
			return nil
		}
		inits, err := p.inits.Tasks()
		n -= inits
		return err
	})
	return n
}

// collect reaps up to n zombies, where they are.
func (p *program) collect(n int) (collected int) {
	left := p.Tasks()
	p.Step(func() (err error) {
		switch {
		case p.inits != nil:
			collected, err = p.inits.Collect(p.Ctx, n)
		case n == left:
			collected, err = p.Collect(p.Ctx)
		default:
			collected, err = p.CollectSome(n)
		}
		return err
	})
	return collected
}

// kill ends all that lives of the command, and returns when it is dead. It is
// stopped first: a parent that sees a child die might collect.
func (p *program) kill(ctx context.Context) error {
	for {
		living, err := p.Procs()
		if err != nil {
			return err
		}
		if p.inits != nil {
			living = p.inits.Without(living)
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
			if p.inits == nil {
				<-p.exited
			}
			return nil
		}
		if err := wait.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}
