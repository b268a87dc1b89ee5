package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/vm"
	"zombench/measure"
	"zombench/results"
	"zombench/results/table"
)

// kernelsFlags are the flags of zombench kernels run.
type kernelsFlags struct {
	shelf   shelf
	kernels []string
	archs   []string
	plan    bench.Plan
	seeded  bool // the user gave the seed
	jobs    int
	accel   string
	cpu     string
	memory  int
	params  []string
	timeout time.Duration
	dir     string
	console string
	source  string
}

func newKernelsRun() *cobra.Command {
	var f kernelsFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Boot kernels and measure each",
		Long: `Run boots each kernel in QEMU with static builds of zombench and zombied, raises
armies there as zombench run does, and writes DIR/NAME.txt for each. The builds
need the go command and zombench's source.

` + patternHelp + `
A kernel of your own is given by its path, with a slash in it. Without --kernel
and --arch it runs ` + strings.Join(defaultKernels, ", ") + `.

A kernel that fails does not stop the others; the exit status is 1 then. Times
mean nothing in emulation and are not recorded. On x86 a task_struct holds the
registers of the CPU model: --cpu varies it, and goes into the file's name.`,
		Example: `  zombench kernels run
  zombench kernels run --kernel ./bzImage --kernel amd64-newest
  zombench kernels run --arch riscv64,s390x --jobs 2 -o results/local
  zombench kernels run --kernel amd64-newest --cpu qemu64`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.seeded = cmd.Flags().Changed("seed")
			return runKernels(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.kernels, "kernel", nil, "a kernel's name, pattern or file; may be given several times")
	flags.StringSliceVar(&f.archs, "arch", nil, "the newest kernel of each of these architectures; a list, or all")
	flags.IntSliceVar(&f.plan.Counts, "count", nil, "zombies in an army; a list (default 250,500,1000; before Linux 5.13, which counts in large steps, 2000,4000,8000)")
	flags.IntSliceVar(&f.plan.Parallels, "parallel", []int{1}, "spawner threads of the daemon; a list")
	flags.IntVar(&f.plan.Samples, "samples", 2, "trials of each combination")
	flags.Uint64Var(&f.plan.Seed, "seed", 0, "seed of the order of the trials (default random; it is recorded)")
	flags.IntVar(&f.jobs, "jobs", 2*runtime.NumCPU(), "virtual machines at a time: each idles half of its life, waiting for its kernel to settle")
	flags.StringVar(&f.accel, "accel", "auto", "how QEMU runs: tcg, kvm, or auto for kvm where a probe says that it works")
	flags.StringVar(&f.cpu, "cpu", "", "QEMU's CPU model (default one that is fixed for each architecture; max on x86)")
	flags.IntVar(&f.memory, "memory", 0, "memory of a virtual machine in MiB (default 512, 1024 on ppc64el and loong64)")
	flags.StringArrayVar(&f.params, "append", nil, "a further `parameter` for the kernels; may be given several times")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long one kernel may take")
	flags.StringVarP(&f.dir, "output", "o", filepath.Join("results", "local"), "directory for the result files")
	flags.StringVar(&f.console, "console", "", "keep each kernel's console as NAME.console in this `directory`")
	flags.StringVar(&f.source, "source", ".", "a directory in zombench's source")
	f.shelf.register(flags)
	return cmd
}

// patterns returns the kernels that the flags ask for.
func (f *kernelsFlags) patterns() ([]string, error) {
	patterns := slices.Clone(f.kernels)
	archs, err := debianArchs(f.archs)
	if err != nil {
		return nil, err
	}
	for _, a := range archs {
		patterns = append(patterns, a+"-newest")
	}
	if len(patterns) == 0 {
		patterns = defaultKernels
	}
	return patterns, nil
}

func (f *kernelsFlags) validate() error {
	if f.jobs < 1 {
		return usageErrorf("--jobs: %d virtual machines at a time; want 1 or more", f.jobs)
	}
	if f.timeout <= 0 {
		return usageErrorf("--timeout: %v; want more than nothing", f.timeout)
	}
	if f.memory < 0 {
		return usageErrorf("--memory: %d MiB; want more than nothing", f.memory)
	}
	if !slices.Contains([]string{"auto", string(vm.TCG), string(vm.KVM)}, f.accel) {
		return usageErrorf("--accel: %q is none of auto, tcg, kvm", f.accel)
	}
	plan := f.planFor(vm.Kernel{})
	plan.Spawns = []string{guestSpawn}
	if err := plan.Validate(); err != nil {
		return &exitError{usageStatus, err}
	}
	return nil
}

// planFor returns the plan for a kernel. Three counts make a slope. Before Linux
// 5.13 memory.stat counts in steps of up to 32 pages (measure.Memcg.Batched), and
// only large armies make them small.
func (f *kernelsFlags) planFor(k vm.Kernel) bench.Plan {
	plan := f.plan
	switch {
	case plan.Counts != nil:
	case measure.Memcg{Version: 2}.Batched(measure.Release(k.Release)):
		plan.Counts = []int{2000, 4000, 8000}
	default:
		plan.Counts = []int{250, 500, 1000}
	}
	return plan
}

func runKernels(ctx context.Context, stdout, stderr io.Writer, f kernelsFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	patterns, err := f.patterns()
	if err != nil {
		return err
	}
	for _, dir := range []string{f.dir, f.console} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the directory for the results: %w", err)
		}
	}
	if err := f.shelf.open(stderr); err != nil {
		return err
	}
	kernels, findErr := f.shelf.find(ctx, patterns)
	if ctx.Err() != nil {
		return &exitError{interruptStatus, errors.New("interrupted before the first kernel ran")}
	}
	if len(kernels) == 0 {
		return findErr
	}
	for i, k := range kernels {
		if j := slices.IndexFunc(kernels[:i], func(other vm.Kernel) bool { return other.Name == k.Name }); j >= 0 {
			return usageErrorf("--kernel: %s and %s are both called %s, and so would their results be; run one after the other, with another -o",
				kernels[j].Path, k.Path, k.Name)
		}
	}
	tmp, err := os.MkdirTemp("", "zombench-kernels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	h := host{kernelsFlags: f, say: &talk{w: stderr, start: time.Now(), of: len(kernels)}, build: newBuilds(f.source, tmp)}
	if !f.seeded {
		h.plan.Seed = rand.Uint64()
	}
	h.probes = sync.OnceValue(func() bool { return vm.ProbeKVM(ctx, runtime.GOARCH) })
	runErr := vm.Each(ctx, kernels, f.jobs, h.run)
	answerErr := h.answer(stdout)
	if ctx.Err() != nil {
		return &exitError{interruptStatus, fmt.Errorf("interrupted with %d of %d kernels measured", len(h.say.files), len(kernels))}
	}
	return errors.Join(findErr, runErr, answerErr)
}

// A host runs virtual machines.
type host struct {
	kernelsFlags
	say    *talk
	build  *builds
	probes func() bool // whether KVM works
}

// run measures one kernel and says how it ended.
func (h *host) run(ctx context.Context, k vm.Kernel) error {
	name := k.Name
	if h.cpu != "" {
		name += "-" + fileWord(h.cpu)
	}
	start := time.Now()
	path, note, err := h.measure(ctx, k, name)
	if err != nil {
		note = ", failed"
	}
	h.say.ended(name, path, time.Since(start), note)
	return err
}

// measure measures one kernel and writes its result file, of which path is ""
// if there is none.
func (h *host) measure(ctx context.Context, k vm.Kernel, name string) (path, note string, err error) {
	arch, err := vm.LookupArch(k.GOARCH)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", k.Name, err)
	}
	qemu, err := arch.LookQEMU()
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", k.Name, err)
	}
	accel := vm.Accel(h.accel)
	if h.accel == "auto" {
		accel = vm.TCG
		if k.GOARCH == runtime.GOARCH && h.probes() {
			accel = vm.KVM
		}
	}
	cpu := cmp.Or(h.cpu, arch.CPU)
	g := guestRun{plan: h.planFor(k), vm: string(accel), comments: provenance(k, version1(ctx, qemu), cpu, h.params)}
	h.say.line(name, "building for "+k.GOARCH)
	build, err := h.build.get(ctx, arch)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	files, err := build.files(g)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	c := vm.Config{Kernel: k, Files: files, Accel: accel, CPU: h.cpu, Memory: h.memory, Append: h.params, Timeout: h.timeout}
	if h.console != "" {
		f, err := os.Create(filepath.Join(h.console, name+".console"))
		if err != nil {
			return "", "", fmt.Errorf("%s: keeping the console: %w", name, err)
		}
		defer f.Close()
		c.Console = f
	}
	h.say.line(name, "booting")
	c.Stderr = h.say.lines(name)
	res, bootErr := vm.Boot(ctx, c)
	if res == nil {
		return "", "", bootErr // names the kernel
	}
	set, errs := results.Read(bytes.NewReader(res.Stdout), name)
	switch {
	case len(errs) > 0 && bootErr != nil:
		return "", "", bootErr // nothing was measured before
	case len(errs) > 0:
		return "", "", fmt.Errorf("what the guest sent is no result file: %w", errors.Join(errs...))
	}
	path = filepath.Join(h.dir, name+".txt")
	if bootErr != nil { // an earlier whole one stays
		path = filepath.Join(h.dir, name+".partial.txt")
	}
	err = writeFile(path, func(w io.Writer) error {
		_, err := w.Write(res.Stdout)
		return err
	})
	if err != nil {
		return "", "", err
	}
	if bootErr != nil {
		return path, "", fmt.Errorf("%w; %d trials before that are in %s", bootErr, len(set.Records), path)
	}
	if broken := brokenTrials(set); broken > 0 {
		note = fmt.Sprintf(", %d trials broken", broken)
	}
	return path, note, nil
}

func brokenTrials(set *results.Set) (n int) {
	for _, r := range set.Records {
		if r.Broken != "" {
			n++
		}
	}
	return n
}

// provenance says, for the head of a result file, what was booted and how.
func provenance(k vm.Kernel, qemu, cpu string, params []string) []string {
	from := "a file of one's own"
	if k.Package != "" {
		from = fmt.Sprintf("Debian package %s %s", k.Package, k.Version)
	}
	comments := []string{
		fmt.Sprintf("kernel image of %s, SHA-256 %s", from, k.SHA256),
		fmt.Sprintf("%s, CPU model %s", qemu, cpu),
	}
	if len(params) > 0 {
		comments = append(comments, "further kernel parameters: "+strings.Join(params, " "))
	}
	return comments
}

// version1 is the line with which QEMU says its version.
func version1(ctx context.Context, qemu string) string {
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return filepath.Base(qemu) + " of unknown version"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// fileWord makes a text fit for a file's name.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' {
			return '_'
		}
		return r
	}, s)
}

// answer prints what all kernels that were measured now say.
func (h *host) answer(w io.Writer) error {
	if len(h.say.files) == 0 {
		return nil
	}
	slices.Sort(h.say.files)
	set, errs := results.Load(h.say.files...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	report, err := set.Report(results.Query{})
	if err != nil {
		return err
	}
	return report.Write(w, results.Text)
}

// builds are the static builds of both programs, one for each architecture
// that is asked for.
type builds struct {
	source, dir string

	mu   sync.Mutex // one at a time: the compiler uses all CPUs
	made map[string]error
}

func newBuilds(source, dir string) *builds {
	return &builds{source: source, dir: dir, made: make(map[string]error)}
}

func (b *builds) get(ctx context.Context, arch vm.Arch) (guestBuild, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := guestBuild{dir: filepath.Join(b.dir, arch.GOARCH)}
	if _, ok := b.made[arch.GOARCH]; !ok {
		b.made[arch.GOARCH] = g.build(ctx, arch, b.source)
	}
	return g, b.made[arch.GOARCH]
}

// talk tells a person how the kernels proceed, a line at a time.
type talk struct {
	w     io.Writer
	start time.Time
	of    int

	mu    sync.Mutex
	over  int      // kernels that were measured or failed
	files []string // result files written
}

func (t *talk) line(name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%s: %s\n", name, text)
}

// ended tells of a kernel that was measured or failed.
func (t *talk) ended(name, path string, took time.Duration, note string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if path != "" {
		t.files = append(t.files, path)
	}
	t.over++
	elapsed := time.Since(t.start)
	left := time.Duration(t.of-t.over) * elapsed / time.Duration(t.over)
	fmt.Fprintf(t.w, "%s: %d/%d kernels, %v elapsed, %v remaining; this one took %v%s\n",
		name, t.over, t.of, elapsed.Round(time.Second), left.Round(time.Second), took.Round(time.Second), note)
}

// lines returns a writer that hands on whole lines, the name before each.
func (t *talk) lines(name string) io.Writer { return &lineWriter{talk: t, name: name} }

type lineWriter struct {
	talk *talk
	name string
	part []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.talk.line(l.name, strings.TrimPrefix(table.Printable(string(line)), "zombench: "))
		l.part = rest
	}
}
