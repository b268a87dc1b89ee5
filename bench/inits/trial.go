package inits

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/reexec"
)

//go:embed workload.sh
var workload string

// What the workload does: its exit status, and its orphans besides the burst.
const (
	status        = 42
	doubleForks   = 50
	grandchildren = 20
)

// deadline is when zombies that are left count.
const deadline = time.Second

// patience bounds each step of a trial.
const patience = 30 * time.Second

// asked is how many signals the workload listens to.
const asked = 5

// run is a trial of a candidate.
func (p *plan) run(ctx context.Context, s *bench.Site, c candidate) error {
	t := &trial{Steps: &bench.Steps{Site: s, Ctx: ctx}, score: score{status: -1}}
	if err := t.start(c, p.burst, p.subreaper); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	defer t.end()
	if t.judge(); t.Err != nil {
		return fmt.Errorf("%s: %w", c.name, t.Err)
	}
	t.score.put(s, p.burst+grandchildren) // those that died then
	switch faults := t.score.faults(); {
	case c.control && t.score.left < p.orphans():
		return fmt.Errorf("the control, an init that never waits, left %d zombies of %d: the test means nothing", t.score.left, p.orphans())
	case !c.control && faults != nil:
		s.Fault("%s", strings.Join(faults, ", "))
	}
	return nil
}

// A trial is a candidate with its workload.
type trial struct {
	*bench.Steps
	score score

	cmd                *exec.Cmd
	says               *os.File      // what the candidate prints
	words              chan string   // from the workload; closed when nobody of it is left
	exited             chan struct{} // the candidate has ended and was waited for
	life, burst, order *os.File      // of the workload: see workload.sh
}

// start starts the candidate with its workload.
func (t *trial) start(c candidate, burst int, subreaper bool) (err error) {
	var theirs, ours []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	for range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if len(theirs) == wordsFD { // the one that the workload writes to
			r, w = w, r
		}
		theirs, ours = append(theirs, r), append(ours, w)
	}
	t.life, t.burst, t.order = ours[0], ours[2], ours[3]
	words := ours[wordsFD]
	// A file and not a pipe, which would stay open as long as the workload lives.
	if t.says, err = os.CreateTemp("", "zombench-init-"); err != nil {
		return err
	}
	os.Remove(t.says.Name())
	ours = append(ours, t.says)

	command := append(slices.Clone(c.command), "sh", "-c", workload, "workload", strconv.Itoa(burst))
	t.cmd = exec.Command(command[0], command[1:]...)
	if subreaper {
		reexec.Wrap(t.cmd, subreaperName)
	}
	t.cmd.Stdout, t.cmd.Stderr = t.says, t.says
	t.cmd.ExtraFiles = theirs
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !subreaper {
		t.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	}
	ignoreAgain := heed(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	err = t.Start(t.cmd)
	ignoreAgain()
	if err != nil {
		return err
	}
	t.words, t.exited = make(chan string, 16), make(chan struct{})
	go func() {
		defer words.Close()
		defer close(t.words)
		for lines := bufio.NewScanner(words); lines.Scan(); {
			t.words <- lines.Text()
		}
	}()
	go func() {
		_ = t.cmd.Wait() // its status is in ProcessState
		close(t.exited)
	}()
	return nil
}

// wordsFD is the place among the workload's descriptors, from 3 on, of the one
// that it writes to.
const wordsFD = 1

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// heed has what is started until undo find none of the signals ignored, though
// nohup(1) or a shell's & may have had this process ignore them: a shell cannot
// trap what was ignored when it started (POSIX, 2.14 trap), and the workload is one.
func heed(signals ...os.Signal) (undo func()) {
	ignored := slices.DeleteFunc(signals, func(s os.Signal) bool { return !signal.Ignored(s) })
	if len(ignored) == 0 {
		return func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, ignored...) // execve(2) turns what is caught into the default
	return func() { signal.Ignore(ignored...) }
}

// end ends whatever still lives.
func (t *trial) end() {
	closeAll([]*os.File{t.life, t.burst, t.order})
	_ = t.cmd.Process.Kill() // of no effect if it has ended
	<-t.exited
	for range t.words { // until the last of the workload is gone
	}
	t.says.Close()
}

// judge goes through the duties.
func (t *trial) judge() {
	t.expect("ready", "start its program")
	before := t.Settle("before")
	t.Step(func() error { _, err := t.order.WriteString("go\n"); return err })
	t.expect("forked", "let its program fork")
	t.judgeReaping(before)
	t.Step(func() error {
		t.score.signals = t.signal(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2) + t.signal(syscall.SIGTERM)
		select {
		case <-t.exited:
			t.score.status = t.cmd.ProcessState.ExitCode()
			if t.score.status == -1 {
				t.score.status = 128 + int(t.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			}
		case <-time.After(2 * deadline):
		case <-t.Ctx.Done():
			return context.Cause(t.Ctx)
		}
		return nil
	})
}

// expect waits for a word of the workload. A candidate under which it does not
// come is at fault, and there is nothing to measure.
func (t *trial) expect(word, duty string) {
	t.Step(func() error {
		switch {
		case t.hear(patience, word) == 1:
			return nil
		case t.Ctx.Err() != nil:
			return context.Cause(t.Ctx)
		}
		t.Fault("does not %s: %s", duty, t.complaint())
		return bench.Brokenf("the init does not %s: %s", duty, t.complaint())
	})
}

// judgeReaping lets the burst die, and watches what becomes of all orphans.
func (t *trial) judgeReaping(before bench.Sample) {
	start := time.Now()
	t.Step(t.burst.Close)
	gone := t.WaitFor(deadline, 100*time.Microsecond, func() (bool, error) {
		now, err := t.Pids().Current()
		return now <= *before.Pids, err
	})
	if gone {
		t.score.collected = time.Since(start)
	}
	t.Sleep(time.Until(start.Add(deadline)))
	t.Step(func() (err error) { t.score.left, err = t.zombies(); return err })
	after := t.Settle("after")
	if kept, ok := bench.Change(before.Kmem, after.Kmem); ok {
		t.score.kept = &kept
	}
}

// signal sends signals to the candidate, and counts those of which the workload
// hears before long.
func (t *trial) signal(signals ...syscall.Signal) (heard int) {
	var names []string
	for _, sig := range signals {
		names = append(names, strings.TrimPrefix(unix.SignalName(sig), "SIG"))
		if err := t.cmd.Process.Signal(sig); err != nil {
			return 0 // it has ended already
		}
	}
	return t.hear(deadline, names...)
}

// hear waits for words of the workload, but not for ever, and counts those that come.
func (t *trial) hear(within time.Duration, words ...string) (heard int) {
	timeout := time.After(within)
	for len(words) > 0 {
		select {
		case word, open := <-t.words:
			if !open {
				return heard
			}
			if i := slices.Index(words, word); i >= 0 {
				words = slices.Delete(words, i, i+1)
				heard++
			}
		case <-timeout:
			return heard
		case <-t.Ctx.Done():
			return heard
		}
	}
	return heard
}

// zombies counts those of the candidate.
func (t *trial) zombies() (n int, err error) {
	children, err := t.Lab.FS.Children(t.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	for _, pid := range children {
		if p, err := t.Lab.FS.Process(pid); err == nil && p.Zombie() {
			n++
		}
	}
	return n, nil
}

// complaint is the last line that the candidate has printed.
func (t *trial) complaint() string {
	data := make([]byte, 4096)
	n, _ := t.says.ReadAt(data, 0)
	lines := strings.Split(strings.TrimSpace(string(data[:n])), "\n")
	return lines[len(lines)-1]
}
