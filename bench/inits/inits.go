// Package inits tests programs that are made to run as the init of a container,
// or as a child subreaper: each gets the same workload, and is scored by what it
// leaves.
//
// An init has four duties: to reap whatever comes to it, to do so at once, to
// hand signals on to the program that it runs, and to end as that one ended. A
// program that never waits is tested with the others as the control: if it
// passed, the test would mean nothing.
package inits

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
	"zombench/bench/reexec"
	"zombench/results"
)

// Bench is the benchmark, and its units.
const (
	Bench       = "Init"
	UnitLeft    = "zombies-left"      // a second after the workload has died
	UnitTime    = "ns/zombie"         // from the death of the workload until all is reaped
	UnitSignals = "signals-forwarded" // of five
	UnitStatus  = "status-kept"       // 1: the exit status of the workload became that of the init
	UnitKept    = "kept-B"            // kernel memory that the workload has left, in bytes
)

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{burst: 1000}
	return bench.Experiment{
		Name:     "inits",
		Asks:     "does a container's init reap, hand signals on, and end as its program does?",
		Samples:  1,
		Programs: []reexec.Program{subreaperProgram()},
		Units: []results.Unit{
			{Name: UnitLeft, Meta: "assume=exact", Meaning: "zombies that are left a second after they died"},
			{Name: UnitTime, Meta: "better=lower", Meaning: "from their death until all are reaped, divided by their number"},
			{Name: UnitSignals, Meta: "assume=exact", Meaning: "of SIGHUP, SIGINT, SIGUSR1, SIGUSR2 and SIGTERM, those that the init handed on"},
			{Name: UnitStatus, Meta: "assume=exact", Meaning: "1 if the init ended with the exit status of its program"},
			{Name: UnitKept, Meta: "better=lower", Meaning: "kernel memory that was not given back"},
		},
		Fields: []bench.Field{
			{Name: "init", Usage: "command of an init to test; give it again for more (default: those on PATH of " + strings.Join(known, ", ") + ")", Value: &commands{&p.commands}},
			{Name: "burst", Usage: "orphans that die at the same time", Value: bench.Int(&p.burst, 1, 1<<15)},
			{Name: "subreaper", Usage: "test inits as child subreapers, not as the init of a pid namespace", Value: bench.Bool(&p.subreaper)},
		},
		Setups: p.setups,
	}
}

// A plan is what the user may set.
type plan struct {
	commands  []string
	burst     int
	subreaper bool
}

// commands is a list that grows by each Set: a command may hold any character.
type commands struct{ p *[]string }

func (v *commands) Type() string       { return "command" }
func (v *commands) String() string     { return strings.Join(*v.p, "; ") }
func (v *commands) Set(s string) error { *v.p = append(*v.p, s); return nil }

func (p *plan) setups() ([]bench.Setup, error) {
	var setups []bench.Setup
	for _, line := range p.commands {
		c, err := parse(line)
		if err != nil {
			return nil, bench.FieldErrorf("init", "%q: %w", line, err)
		}
		setups = append(setups, p.setup(c))
	}
	if len(p.commands) == 0 {
		for _, name := range known {
			setups = append(setups, p.setup(candidate{name: name, command: []string{name, "--"}}))
		}
	}
	return append(setups, p.setup(neverWaits())), nil
}

func (p *plan) setup(c candidate) bench.Setup {
	mode := "pidns"
	if p.subreaper {
		mode = "subreaper"
	}
	s := bench.Setup{
		Bench: Bench,
		Params: []results.Param{
			{Key: "init", Value: strings.NewReplacer("/", "_", " ", "_").Replace(c.name)}, {Key: "mode", Value: mode},
			{Key: "burst", Value: strconv.Itoa(p.burst)}},
		About:   "the init is " + strings.Join(c.command, " "),
		Control: c.control,
		Group:   Bench,
		Needs:   []bench.Need{bench.NeedRoot, bench.NeedCgroup, bench.NeedProgram(c.command[0], "install it, or name another by --init")},
		Army:    bench.Army{Zombies: p.orphans(), Tasks: p.orphans()},
		Run:     func(ctx context.Context, s *bench.Site) error { return p.run(ctx, s, c) },
	}
	if c.control {
		s.About = "an init that never waits"
	}
	return s
}

// orphans is how many come to the candidate.
func (p *plan) orphans() int { return p.burst + doubleForks + 2*grandchildren }

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

// A candidate is a program that is tested.
type candidate struct {
	name    string
	command []string // to which the command of the workload is appended
	control bool     // it must fail
}

// neverWaits is the negative control: it becomes sleep(1), which never waits.
func neverWaits() candidate {
	return candidate{name: "never-waits", command: []string{"sh", "-c", `"$@" & exec sleep 1000000`, "never-waits"}, control: true}
}

// known are the programs whose command lines are known.
var known = []string{"tini", "dumb-init", "catatonit"}

// parse makes a candidate of the name of a known program, or of any command.
func parse(line string) (candidate, error) {
	command := strings.Fields(line)
	if len(command) == 0 {
		return candidate{}, errors.New("the command of an init is empty")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return candidate{}, err
	}
	name := filepath.Base(command[0])
	if len(command) == 1 && slices.Contains(known, name) {
		command = append(command, "--")
	}
	return candidate{name: name, command: command}, nil
}

// A score is what a candidate has done.
type score struct {
	left      int           // zombies a second after they had died
	collected time.Duration // from their death until none was left; 0 if some were
	signals   int           // handed on
	status    int           // it ended with; -1: it had to be killed
	kept      *float64      // bytes of kernel memory; nil if unknown
}

// faults says what is wrong with a candidate; nil if nothing is.
func (s score) faults() []string {
	var faults []string
	if s.left > 0 {
		faults = append(faults, fmt.Sprintf("leaves %d zombies", s.left))
	}
	if s.signals < asked {
		faults = append(faults, fmt.Sprintf("hands on %d of %d signals", s.signals, asked))
	}
	switch {
	case s.status == -1:
		faults = append(faults, "does not end with its program")
	case s.status != status:
		faults = append(faults, fmt.Sprintf("ends with status %d and not %d", s.status, status))
	}
	return faults
}

// put makes values of a score.
func (s score) put(site *bench.Site, died int) {
	site.Put(UnitLeft, float64(s.left))
	if s.collected > 0 {
		site.Put(UnitTime, float64(s.collected.Nanoseconds())/float64(died))
	}
	site.Put(UnitSignals, float64(s.signals))
	kept := 0.0
	if s.status == status {
		kept = 1
	}
	site.Put(UnitStatus, kept)
	if s.kept != nil {
		site.Put(UnitKept, *s.kept)
	}
}

// subreaperName is the argument zero of what makes itself a child subreaper and
// becomes a candidate.
const subreaperName = "zombench-subreaper"

// subreaperProgram is that, for main to dispatch. The attribute is kept across
// execve (PR_SET_CHILD_SUBREAPER, prctl(2)).
func subreaperProgram() reexec.Program {
	return reexec.Program{Name: subreaperName, Main: func(args []string) int {
		fmt.Fprintln(os.Stderr, "subreaper:", becomeSubreaper(args))
		return 126
	}}
}

func becomeSubreaper(args []string) error {
	if len(args) == 0 {
		return errors.New("no program to become")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming one: %w", err)
	}
	return fmt.Errorf("becoming %s: %w", path, syscall.Exec(path, args, os.Environ()))
}

// run tests a candidate.
func (p *plan) run(ctx context.Context, s *bench.Site, c candidate) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 4*patience, fmt.Errorf("%s: the trial was given up", c.name))
	defer cancel()
	t := &trial{Site: s, score: score{status: -1}}
	if err := t.start(c, p.burst, p.subreaper); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	defer t.end()
	if err := t.judge(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
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
	*bench.Site
	score score

	cmd                *exec.Cmd
	says               *os.File
	words              chan string   // from the workload; closed when nobody of it is left
	exited             chan struct{} // the candidate has ended and was waited for
	life, burst, order *os.File
}

// start starts the candidate with its workload.
func (t *trial) start(c candidate, burst int, subreaper bool) error {
	var pipes [4][2]*os.File
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		pipes[i] = [2]*os.File{r, w}
	}
	says, err := os.CreateTemp("", "zombench-init-")
	if err != nil {
		return err
	}
	os.Remove(says.Name())
	t.says = says
	command := append(slices.Clone(c.command), "sh", "-c", workload, "workload", strconv.Itoa(burst))
	t.cmd = exec.Command(command[0], command[1:]...)
	if subreaper {
		t.cmd = reexec.Command(subreaperName, command...)
	}
	t.cmd.Stdout, t.cmd.Stderr = says, says
	t.cmd.ExtraFiles = []*os.File{pipes[0][0], pipes[1][1], pipes[2][0], pipes[3][0]}
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !subreaper {
		t.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	}
	t.life, t.burst, t.order = pipes[0][1], pipes[2][1], pipes[3][1]
	words := pipes[1][0]
	ignoreAgain := heed(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	err = t.Start(t.cmd)
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
	for _, f := range []*os.File{t.life, t.burst, t.order} {
		f.Close()
	}
	_ = t.cmd.Process.Kill() // of no effect if it has ended
	<-t.exited
	for range t.words { // until the last of the workload is gone
	}
	t.says.Close()
}

// judge goes through the duties.
func (t *trial) judge(ctx context.Context) error {
	if !t.hear(ctx, "ready", patience) {
		return fmt.Errorf("the workload did not start: %s", t.complaint())
	}
	before, err := t.Settle(ctx, "before", nil)
	if err != nil {
		return err
	}
	if _, err := t.order.WriteString("go\n"); err != nil {
		return err
	}
	if !t.hear(ctx, "forked", patience) {
		return fmt.Errorf("the workload did not fork: %s", t.complaint())
	}

	start := time.Now()
	t.burst.Close()
	for time.Since(start) < deadline && t.score.collected == 0 {
		now, err := t.Pids().Current()
		if err != nil {
			return err
		}
		if now <= *before.Pids {
			t.score.collected = time.Since(start)
		}
		if err := bench.Sleep(ctx, 100*time.Microsecond); err != nil {
			return err
		}
	}
	if err := bench.Sleep(ctx, time.Until(start.Add(deadline))); err != nil {
		return err
	}
	if t.score.left, err = t.zombies(); err != nil {
		return err
	}
	after, err := t.Settle(ctx, "after", nil)
	if err != nil {
		return err
	}
	if kept, ok := bench.Change(before.Kmem, after.Kmem); ok {
		t.score.kept = &kept
	}

	t.score.signals = t.signal(ctx, syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2) +
		t.signal(ctx, syscall.SIGTERM)
	select {
	case <-t.exited:
		t.score.status = t.cmd.ProcessState.ExitCode()
		if t.score.status == -1 {
			t.score.status = 128 + int(t.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
		}
	case <-time.After(2 * deadline):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// signal sends signals to the candidate, and counts those of which the workload
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

// hear waits for a word of the workload, but not for ever.
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
