package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/janitor"
	"zombench/bench/vm"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
	"zombench/results"
)

// guestCommand is the command that a virtual machine runs: nothing for people.
const guestCommand = "guest"

// Where a guest's programs lie in it. Zombench is the init as well.
const (
	guestZombench = "/bin/zombench"
	guestZombied  = "/bin/zombied"
)

// A guestRun is what a virtual machine is to measure, and what the result file
// is to say of the machine that it cannot know itself.
type guestRun struct {
	plan     bench.Plan
	vm       string   // how it is emulated: the configuration key vm
	comments []string // for the head of the result file
}

func newGuest() *cobra.Command {
	var g guestRun
	cmd := &cobra.Command{
		Use:    guestCommand,
		Short:  "Measure the virtual machine that this is",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntSliceVar(&g.plan.Counts, "count", nil, "")
	flags.IntSliceVar(&g.plan.Parallels, "parallel", nil, "")
	flags.IntVar(&g.plan.Samples, "samples", 0, "")
	flags.Uint64Var(&g.plan.Seed, "seed", 0, "")
	flags.StringVar(&g.vm, "vm", "", "")
	flags.StringArrayVar(&g.comments, "comment", nil, "")
	return cmd
}

// args are the arguments by which the guest's zombench becomes g.
func (g guestRun) args() []string {
	list := func(ints []int) string {
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ints)), ","), "[]")
	}
	args := []string{guestCommand,
		"--count", list(g.plan.Counts), "--parallel", list(g.plan.Parallels),
		"--samples", fmt.Sprint(g.plan.Samples), "--seed", fmt.Sprint(g.plan.Seed),
		"--vm", g.vm,
	}
	for _, c := range g.comments {
		args = append(args, "--comment", c)
	}
	return args
}

// guestSpawn is the one way of spawning in guests, which hold no program that
// could be executed: a zombie is the same however it came about.
const guestSpawn = "clone"

// run measures this machine as zombench run does, and writes the results to
// stdout.
func (g guestRun) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	g.plan.Spawns = []string{guestSpawn}
	if err := g.plan.Validate(); err != nil {
		return &exitError{usageStatus, err}
	}
	lab, err := openLab(ctx, guestZombied, janitor.Path())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	if err := lab.Preflight(g.plan); err != nil {
		return err
	}
	out, err := openOutput("", stdout)
	if err != nil {
		return err
	}
	out.header = g.header(header(lab, g.plan))
	lab.Settling = guestSettling(lab.Settling)
	tally, err := lab.Run(ctx, g.plan, timeless{out}, &guestProgress{to: stderr, last: time.Now()})
	if err == nil && tally.Good+tally.Noisy == 0 {
		err = fmt.Errorf("all %d trials were broken: nothing was measured", tally.Broken)
	}
	return err
}

// guestSettling is how s becomes a guest's, where instructions are emulated and
// a reading takes its time: fewer of them, and more time for all.
func guestSettling(s bench.Settling) bench.Settling {
	s.Every, s.Still, s.Within = 100*time.Millisecond, 3, 30*time.Second
	if s.AtLeast > 0 {
		s.Every = 500 * time.Millisecond
	}
	return s
}

// guestProgress prints now and then how far a guest is, fit to stand among the
// lines of others.
type guestProgress struct {
	to   io.Writer
	last time.Time // of a line
	i, n int
}

func (p *guestProgress) Begin(i, n int, _ bench.Setup) { p.i, p.n = i+1, n }

func (p *guestProgress) Doing(string) {}

func (p *guestProgress) End(t results.Trial) {
	if t.Broken != "" {
		fmt.Fprintf(p.to, "%d/%d trials, this one broken: %s: %s\n", p.i, p.n, t.Name(), t.Broken)
		return
	}
	if now := time.Now(); now.Sub(p.last) >= 3*lineEvery {
		p.last = now
		fmt.Fprintf(p.to, "%d/%d trials\n", p.i, p.n)
	}
}

// header adds to the head of a result file what only the host knows.
func (g guestRun) header(h results.Header) results.Header {
	h.Config = append(h.Config, results.Param{Key: "vm", Value: g.vm})
	h.Comments = append(h.Comments, g.comments...)
	h.Units = slices.DeleteFunc(h.Units, func(u results.Unit) bool { return u.Name == results.UnitTime })
	return h
}

// timeless records trials without their durations, which mean nothing where
// instructions are emulated.
type timeless struct{ bench.Recorder }

func (r timeless) WriteTrial(t results.Trial) error {
	t.Values = slices.DeleteFunc(slices.Clone(t.Values), func(v results.Value) bool { return v.Unit == results.UnitTime })
	return r.Recorder.WriteTrial(t)
}

// A guestBuild is the programs of guests of one architecture, in a directory.
type guestBuild struct{ dir string }

// files returns the files of a guest that runs g.
func (b guestBuild) files(g guestRun) ([]initramfs.File, error) {
	return guest.Files(filepath.Join(b.dir, "zombench"),
		guest.Config{Args: append([]string{guestZombench}, g.args()...)},
		initramfs.File{Path: guestZombench, Link: "/init"},
		initramfs.File{Path: guestZombied, Source: filepath.Join(b.dir, "zombied"), Mode: 0o755},
	)
}

// build makes static builds of both programs out of the module's source, of
// which source is a directory.
func (b guestBuild) build(ctx context.Context, arch vm.Arch, source string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.dir+"/", "zombench/cmd/zombench", "zombench/cmd/zombied")
	cmd.Dir = source
	// The user's flags and workspace are not the guest's.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch.GOARCH, "GOFLAGS=", "GOWORK=off")
	cmd.Env = append(cmd.Env, arch.Env...)
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("building the guests' programs needs the go command; https://go.dev/dl")
	case err != nil:
		complaint, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("building the guests' programs for %s in %s (--source names zombench's source): %w: %s",
			arch.GOARCH, source, err, complaint)
	}
	return nil
}
