// Package reapers puts programs on trial that are made to run as the init of a
// container, or as a child subreaper: each gets the same nasty brood, and is
// scored by what it leaves.
//
// It believes that an init has four duties: to collect whatever comes to it, to
// do so at once, to hand signals on to the program that it runs, and to end as
// that one ended. A program that never waits is on trial with the others: if it
// passed, the trial would mean nothing.
package reapers

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/results"
)

// Bench is the name of the benchmark, and its units.
const (
	Bench       = "Reapers"
	UnitLeft    = "zombies-left"      // a second after the brood has died
	UnitTime    = "ns/zombie"         // from the death of the brood until all is collected
	UnitSignals = "signals-forwarded" // of five
	UnitStatus  = "status-kept"       // 1: the exit status of the brood became that of the init
	UnitKept    = "kept-B"            // kernel memory that the brood has left, in bytes
)

//go:embed brood.sh
var brood string

// What the brood does: its exit status, and its orphans besides the burst.
const (
	status        = 42
	doubleForks   = 50
	grandchildren = 20
)

// deadline is when zombies that are left count.
const deadline = time.Second

// patience bounds each step of a trial.
const patience = 30 * time.Second

// asked is how many signals the brood listens to.
const asked = 5

// A Candidate is a program on trial.
type Candidate struct {
	Name    string
	Command []string // to which the command of the brood is appended
	Control bool     // it must fail
}

// NeverWaits is the negative control: it becomes sleep(1), which never waits.
func NeverWaits() Candidate {
	return Candidate{Name: "never-waits", Command: []string{"sh", "-c", `"$@" & exec sleep 1000000`, "never-waits"}, Control: true}
}

// Known are the programs whose command lines are known.
var Known = []string{"tini", "dumb-init", "catatonit"}

// Parse makes a candidate of a word of the command line: the name of a known
// program, or any command. The error is that it is not on PATH.
func Parse(line string) (Candidate, error) {
	command := strings.Fields(line)
	if len(command) == 0 {
		return Candidate{}, errors.New("the command of an init is empty")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return Candidate{}, err
	}
	name := filepath.Base(command[0])
	if len(command) == 1 && slices.Contains(Known, name) {
		command = append(command, "--")
	}
	return Candidate{Name: name, Command: command}, nil
}

// Options say how candidates are tried.
type Options struct {
	Burst     int      // orphans that die at the same time
	Subreaper []string // arguments with which this program becomes a subreaper: its main calls Exec with those behind them; nil: the init of a pid namespace
}

// A Score is what a candidate has done.
type Score struct {
	Candidate
	Orphans   int           // that came to it
	Left      int           // zombies a second after they had died
	Collected time.Duration // from their death until none was left; 0 if some were
	Signals   int           // handed on, of Asked
	Asked     int
	Status    int      // it ended with; -1: it had to be killed
	Kept      *float64 // bytes of kernel memory; nil if unknown
	Says      string   // the last that it complained of
}

// Faults says what is wrong with a candidate; nil if nothing is.
func (s Score) Faults() []string {
	var faults []string
	if s.Left > 0 {
		faults = append(faults, fmt.Sprintf("leaves %d zombies", s.Left))
	}
	if s.Signals < s.Asked {
		faults = append(faults, fmt.Sprintf("hands on %d of %d signals", s.Signals, s.Asked))
	}
	switch {
	case s.Status == -1:
		faults = append(faults, "does not end with its program")
	case s.Status != status:
		faults = append(faults, fmt.Sprintf("ends with status %d and not %d", s.Status, status))
	}
	return faults
}

// Result returns the score as the line of a result file.
func (s Score) Result(o Options) results.Trial {
	mode := "pidns"
	if o.Subreaper != nil {
		mode = "subreaper"
	}
	r := results.Trial{
		Bench: Bench,
		Params: []results.Param{
			{Key: "init", Value: strings.NewReplacer("/", "_", " ", "_").Replace(s.Name)}, {Key: "mode", Value: mode},
			{Key: "burst", Value: strconv.Itoa(o.Burst)}},
		N: s.Orphans,
	}
	if s.Control {
		r.Control = true
	}
	put := func(unit string, v float64) { r.Values = append(r.Values, results.Value{Unit: unit, Value: v}) }
	put(UnitLeft, float64(s.Left))
	if s.Collected > 0 {
		put(UnitTime, float64(s.Collected.Nanoseconds())/float64(o.Burst+grandchildren)) // those that died then
	}
	put(UnitSignals, float64(s.Signals))
	kept := 0.0
	if s.Status == status {
		kept = 1
	}
	put(UnitStatus, kept)
	if s.Kept != nil {
		put(UnitKept, *s.Kept)
	}
	return r
}

// Exec makes this process a child subreaper and becomes the program in args.
// The attribute is kept across execve (PR_SET_CHILD_SUBREAPER, prctl(2)).
func Exec(args []string) error {
	if len(args) == 0 {
		return errors.New("no program to become")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	return fmt.Errorf("becoming %s: %w", path, syscall.Exec(path, args, os.Environ()))
}

// Try puts a candidate on trial, in a fresh cgroup. The error is for a trial
// that could not be held.
func Try(ctx context.Context, lab *bench.Lab, c Candidate, o Options) (score Score, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 4*patience, fmt.Errorf("%s: the trial was given up", c.Name))
	defer cancel()
	site, err := lab.Site()
	if err != nil {
		return score, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	t := &trial{lab: lab, site: site, score: Score{Candidate: c, Asked: asked, Orphans: o.Burst + doubleForks + 2*grandchildren, Status: -1}}
	if err := t.start(o); err != nil {
		return t.score, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	defer t.end()
	if err := t.judge(ctx); err != nil {
		return t.score, fmt.Errorf("%s: %w", c.Name, err)
	}
	return t.score, nil
}

// A trial is a candidate with its brood.
type trial struct {
	lab   *bench.Lab
	site  *bench.Site
	score Score

	cmd                *exec.Cmd
	says               *os.File
	words              chan string   // from the brood; closed when nobody of it is left
	exited             chan struct{} // the candidate has ended and was waited for
	life, burst, order *os.File
}

// start starts the candidate with its brood.
func (t *trial) start(o Options) error {
	var pipes [4][2]*os.File
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		pipes[i] = [2]*os.File{r, w}
	}
	says, err := os.CreateTemp("", "zombench-reaper-")
	if err != nil {
		return err
	}
	os.Remove(says.Name())
	t.says = says
	command := append(slices.Clone(t.score.Command), "sh", "-c", brood, "brood", strconv.Itoa(o.Burst))
	if o.Subreaper != nil {
		command = append(append([]string{"/proc/self/exe"}, o.Subreaper...), command...)
	}
	t.cmd = exec.Command(command[0], command[1:]...)
	if o.Subreaper != nil {
		t.cmd.Args[0] = os.Args[0] // this very program, by the name that it goes by
	}
	t.cmd.Stdout, t.cmd.Stderr = says, says
	t.cmd.ExtraFiles = []*os.File{pipes[0][0], pipes[1][1], pipes[2][0], pipes[3][0]}
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.Subreaper == nil {
		t.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	}
	t.life, t.burst, t.order = pipes[0][1], pipes[2][1], pipes[3][1]
	words := pipes[1][0]
	ignoreAgain := heed(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	err = t.site.Start(t.cmd)
	ignoreAgain()
	for _, f := range t.cmd.ExtraFiles {
		f.Close()
	}
	if err != nil {
		for _, f := range []*os.File{t.life, t.burst, t.order, words, says} {
			f.Close()
		}
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

// heed has what is started until undo find none of the signals ignored, though
// nohup(1) or a shell's & may have had this process ignore them: a shell cannot
// trap what was ignored when it started (POSIX, 2.14 trap), and the brood is one.
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
	for _, f := range []*os.File{t.life, t.burst, t.order} {
		f.Close()
	}
	_ = t.cmd.Process.Kill() // of no effect if it has ended
	<-t.exited
	for range t.words { // until the last of the brood is gone
	}
	t.says.Close()
}

// judge goes through the duties.
func (t *trial) judge(ctx context.Context) error {
	if !t.hear(ctx, "ready", patience) {
		return fmt.Errorf("the brood did not start: %s", t.complaint())
	}
	before, _, err := t.site.Settle(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := t.order.WriteString("go\n"); err != nil {
		return err
	}
	if !t.hear(ctx, "bred", patience) {
		return fmt.Errorf("the brood was not bred: %s", t.complaint())
	}

	start := time.Now()
	t.burst.Close()
	for time.Since(start) < deadline && t.score.Collected == 0 {
		now, err := t.site.Pids().Current()
		if err != nil {
			return err
		}
		if now <= *before.Pids {
			t.score.Collected = time.Since(start)
		}
		if err := sleep(ctx, 100*time.Microsecond); err != nil {
			return err
		}
	}
	if err := sleep(ctx, time.Until(start.Add(deadline))); err != nil {
		return err
	}
	if t.score.Left, err = t.zombies(); err != nil {
		return err
	}
	after, _, err := t.site.Settle(ctx, nil)
	if err != nil {
		return err
	}
	if kept, ok := bench.Change(before.Kmem, after.Kmem); ok {
		t.score.Kept = &kept
	}

	t.score.Signals = t.signal(ctx, syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2) +
		t.signal(ctx, syscall.SIGTERM)
	select {
	case <-t.exited:
		t.score.Status = t.cmd.ProcessState.ExitCode()
		if t.score.Status == -1 {
			t.score.Status = 128 + int(t.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
		}
	case <-time.After(2 * deadline):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.score.Says = t.complaint()
	return nil
}

// signal sends signals to the candidate, and counts those of which the brood
// hears before long.
func (t *trial) signal(ctx context.Context, signals ...syscall.Signal) (heard int) {
	want := make(map[string]bool)
	for _, sig := range signals {
		want[strings.TrimPrefix(unix.SignalName(sig), "SIG")] = true
		if err := t.cmd.Process.Signal(sig); err != nil {
			return 0 // it has ended already
		}
	}
	timeout := time.After(deadline)
	for len(want) > 0 {
		select {
		case w, open := <-t.words:
			if !open {
				return heard
			}
			if want[w] {
				delete(want, w)
				heard++
			}
		case <-timeout:
			return heard
		case <-ctx.Done():
			return heard
		}
	}
	return heard
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// hear waits for a word of the brood, but not for ever.
func (t *trial) hear(ctx context.Context, word string, within time.Duration) bool {
	timeout := time.After(within)
	for {
		select {
		case w, open := <-t.words:
			if w == word || !open {
				return open
			}
		case <-timeout:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// zombies counts those of the candidate.
func (t *trial) zombies() (n int, err error) {
	children, err := t.lab.FS.Children(t.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	for _, pid := range children {
		if p, err := t.lab.FS.Process(pid); err == nil && p.Zombie() {
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
