package kernels

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/kernels/job"
	"zombench/bench/tempdir"
	"zombench/bench/vm"
	"zombench/measure"
	"zombench/results"
)

// A Fleet is the guests of one run, and what they have in common.
type Fleet struct {
	Experiment string            // "" is memory
	Fields     map[string]string // of the experiment, as in job.Job; memory without count depends on the kernel
	Match      string            // of the benchmarks, as in go test -bench; "" is all
	Samples    int               // trials of each setup
	Seed       uint64            // of the order of the trials
	Version    string            // of this program, for the head of the result files
	Config     []results.Param   // further keys of their configuration: of which node they are

	Jobs    int           // guests at a time
	Accel   vm.Accel      // "": KVM where a probe says that it works, else TCG
	CPU     string        // QEMU's CPU model; "" is that of the architecture
	CPUs    int           // online; 0 is 1
	MaxCPUs int           // possible; 0 is as many as are online
	Memory  int           // MiB; 0 is that of the architecture
	Append  []string      // further kernel parameters
	Timeout time.Duration // for one kernel

	// Fetch brings kernels here that have no Path yet; nil if all have one.
	Fetch func(context.Context, []vm.Kernel) ([]vm.Kernel, error)

	Dir     string    // for the result files, NAME.txt
	Resume  bool      // leave out kernels of which Dir has a whole file that this Version recorded
	Console string    // directory for NAME.console, each guest's raw console; "" keeps none
	Guest   string    // a directory in which the guests' programs lie, GOARCH/guest and GOARCH/zombied
	Source  string    // a directory in zombench's source, to build them; without either they are looked for
	Log     io.Writer // told how the guests proceed, in lines
}

// A NameError says that two kernels have one name, and so would their result
// files.
type NameError struct{ A, B vm.Kernel }

func (e *NameError) Error() string {
	return fmt.Sprintf("%s and %s are both called %s, and so would their results be; run one after the other, into another directory",
		e.A.Path, e.B.Path, e.A.Name)
}

// A StrangerError says that an image holds another kernel than its name says.
type StrangerError struct{ Name, Release, Booted string }

func (e *StrangerError) Error() string {
	return fmt.Sprintf("%s: Linux %s was booted, not %s: the image is of another kernel", e.Name, e.Booted, e.Release)
}

// Prepare makes the directories that the fleet writes into, so that what is wrong
// with them is known before the first kernel is fetched.
func (f *Fleet) Prepare() error {
	for _, dir := range []string{f.Dir, f.Console} {
		if dir == "" {
			continue
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = unix.Access(dir, unix.W_OK)
		}
		if err != nil {
			return fmt.Errorf("a directory for the results: %s: %w", dir, err)
		}
	}
	return nil
}

// Run measures each kernel in a guest of its own. It returns the result files
// that it wrote and those that it resumes, in order, and the errors of the kernels
// that failed. What such a kernel measured before is kept in NAME.partial.txt.
func (f *Fleet) Run(ctx context.Context, kernels []vm.Kernel) ([]string, error) {
	for i, k := range kernels {
		if j := slices.IndexFunc(kernels[:i], func(other vm.Kernel) bool { return other.Name == k.Name }); j >= 0 {
			return nil, &NameError{kernels[j], k}
		}
	}
	if err := f.Prepare(); err != nil {
		return nil, err
	}
	tmp, err := tempdir.Make("zombench-kernels-")
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	built, err := f.findPrograms(tmp.Path)
	if err != nil {
		return nil, err
	}
	r := fleetRun{
		Fleet:    f,
		log:      newLog(f.Log, len(kernels)),
		supply:   newSupply(slices.DeleteFunc(slices.Clone(kernels), f.recorded), f.Fetch),
		programs: built,
		kvm:      sync.OnceValue(func() bool { return vm.ProbeKVM(ctx, runtime.GOARCH) }),
	}
	if slices.ContainsFunc(kernels, r.mayUseKVM) {
		go r.kvm()    // it may take seconds, and so do the builds
		defer r.kvm() // its QEMU must not be left behind
	}
	err = each(ctx, kernels, f.Jobs, r.measure)
	slices.Sort(r.files)
	return r.files, err
}

// fleetRun is a Fleet at work.
type fleetRun struct {
	*Fleet
	log      *log
	programs *programs
	supply   *supply
	kvm      func() bool // reports whether KVM works

	mu    sync.Mutex
	files []string // result files written
}

func (r *fleetRun) mayUseKVM(k vm.Kernel) bool { return r.Accel == "" && k.GOARCH == runtime.GOARCH }

// measure measures one kernel.
func (r *fleetRun) measure(ctx context.Context, k vm.Kernel) error {
	name := r.name(k)
	start := time.Now()
	if r.recorded(k) {
		r.add(r.path(name))
		r.log.ended(name, time.Since(start), ", recorded before")
		return nil
	}
	note := ""
	k, err := r.supply.get(ctx, k)
	if err == nil {
		var res *vm.Result
		if res, err = r.boot(ctx, k, name); res != nil {
			note, err = r.keep(k, name, res.Stdout, err)
		}
	}
	if err != nil {
		note = ", failed"
	}
	r.log.ended(name, time.Since(start), note)
	return err
}

// name is what the results of a kernel are called: by all that they depend on.
func (f *Fleet) name(k vm.Kernel) string {
	name := k.Name
	if f.CPU != "" {
		name += "-" + vm.Word(f.CPU)
	}
	if f.Experiment != "" {
		name += "-" + f.Experiment
	}
	if n := max(f.CPUs, f.MaxCPUs); n > 1 {
		name += fmt.Sprintf("-%dcpus", n)
	}
	for _, p := range f.Append {
		name += "-" + vm.Word(p)
	}
	return name
}

// File is where the results of a kernel go.
func (f *Fleet) File(k vm.Kernel) string { return f.path(f.name(k)) }

func (f *Fleet) path(name string) string { return filepath.Join(f.Dir, name+".txt") }

// recorded reports whether there is a whole file of this kernel that this version
// of the program wrote, and is to be kept.
func (f *Fleet) recorded(k vm.Kernel) bool {
	if !f.Resume {
		return false
	}
	file, err := os.ReadFile(f.File(k))
	head, _, _ := bytes.Cut(file, []byte("\nkernel: "))
	return err == nil && bytes.Contains(head, []byte("# zombench "+f.Version+", ")) && bytes.Contains(head, []byte("\n# "+imageOf(k)))
}

// boot runs a guest; the result is as vm.Boot's.
func (r *fleetRun) boot(ctx context.Context, k vm.Kernel, name string) (*vm.Result, error) {
	arch, err := vm.LookupArch(k.GOARCH)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	qemu, err := arch.LookQEMU()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.log.line(name, "building for "+k.GOARCH)
	if err := r.programs.build(ctx, arch); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	accel := cmp.Or(r.Accel, vm.TCG)
	if r.mayUseKVM(k) && r.kvm() {
		accel = vm.KVM
	}
	files, err := r.programs.files(arch, job.Job{
		Experiment: r.Experiment, Fields: r.fields(k), Match: r.Match, Samples: r.Samples, Seed: r.Seed, Version: r.Version,
		Keys:     append([]results.Param{{Key: "vm", Value: string(accel)}, {Key: "append", Value: strings.Join(r.Append, " ")}}, r.Config...),
		Comments: provenance(k, qemuVersion(ctx, qemu), cmp.Or(r.CPU, arch.CPU)),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := vm.Config{Kernel: k, Files: files, Accel: accel, CPU: r.CPU, CPUs: r.CPUs, MaxCPUs: r.MaxCPUs, Memory: r.Memory, Append: r.Append, Timeout: r.Timeout}
	if r.Console != "" {
		f, err := os.Create(filepath.Join(r.Console, name+".console"))
		if err != nil {
			return nil, fmt.Errorf("%s: keeping the console: %w", name, err)
		}
		defer f.Close()
		c.Console = f
	}
	r.log.line(name, "booting")
	c.Stderr = r.log.lines(name)
	return vm.Boot(ctx, c)
}

// DefaultCounts says for people which armies are raised unless count is set.
// Three counts make a slope. Before Linux 5.13 memory.stat counts in steps of up
// to 32 pages, and only large armies make them small.
const DefaultCounts = defaultCounts + ", before Linux 5.13, which counts in large steps, " + largeCounts

const (
	defaultCounts = "250,500,1000"
	largeCounts   = "2000,4000,8000"
)

// spawn is the one way of spawning in guests, which hold no program that could
// be executed: a zombie is the same however it came about.
const spawn = "clone"

// fields returns what is measured under a kernel.
func (f *Fleet) fields(k vm.Kernel) map[string]string {
	if f.Experiment != "" {
		return f.Fields
	}
	fields := map[string]string{"spawn": spawn}
	maps.Copy(fields, f.Fields)
	switch {
	case fields["count"] != "":
	case measure.Memcg{Version: 2}.Batched(measure.Release(k.Release)):
		fields["count"] = largeCounts
	default:
		fields["count"] = defaultCounts
	}
	return fields
}

// keep writes what a guest sent into a result file. bootErr is how the guest
// failed, if it did: then an earlier whole file stays.
func (r *fleetRun) keep(k vm.Kernel, name string, out []byte, bootErr error) (note string, err error) {
	sent, err := inspect(out, name)
	switch {
	case err != nil && bootErr != nil:
		return "", bootErr // nothing was measured before
	case err != nil:
		return "", fmt.Errorf("what the guest sent is no result file: %w", err)
	case k.Release != "" && sent.kernel != k.Release:
		return "", &StrangerError{name, k.Release, sent.kernel}
	}
	path := r.path(name)
	if bootErr != nil {
		path = filepath.Join(r.Dir, name+".partial.txt")
	}
	if err := results.WriteFile(path, func(w io.Writer) error { _, err := w.Write(out); return err }); err != nil {
		return "", errors.Join(bootErr, err)
	}
	r.add(path)
	switch {
	case bootErr != nil:
		return "", fmt.Errorf("%w; %d trials before that are in %s", bootErr, sent.trials, path)
	case sent.broken > 0:
		return fmt.Sprintf(", %d trials broken", sent.broken), nil
	}
	return "", nil
}

// add notes a result file.
func (r *fleetRun) add(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, path)
}

// sent is what a guest sent.
type sent struct {
	trials, broken int
	kernel         string // release
}

// inspect reads a result file.
func inspect(file []byte, name string) (s sent, err error) {
	set, errs := results.Read(bytes.NewReader(file), name)
	if len(errs) > 0 {
		return sent{}, errs[0]
	}
	for _, rec := range set.Records {
		s.trials++
		if rec.Broken != "" {
			s.broken++
		}
		s.kernel = results.Lookup(rec.Config, "kernel")
	}
	return s, nil
}
