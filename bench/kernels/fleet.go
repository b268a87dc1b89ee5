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

	Jobs    int           // guests at a time
	Accel   vm.Accel      // "": KVM where a probe says that it works, else TCG
	CPU     string        // QEMU's CPU model; "" is that of the architecture
	CPUs    int           // online; 0 is 1
	MaxCPUs int           // possible; 0 is as many as are online
	Memory  int           // MiB; 0 is that of the architecture
	Append  []string      // further kernel parameters
	Timeout time.Duration // for one kernel

	Dir     string    // for the result files, NAME.txt
	Console string    // directory for NAME.console, each guest's raw console; "" keeps none
	Source  string    // a directory in zombench's source
	Log     io.Writer // told how the guests proceed, in lines
}

// A NameError says that two kernels have one name, and so would their result
// files.
type NameError struct{ A, B vm.Kernel }

func (e *NameError) Error() string {
	return fmt.Sprintf("%s and %s are both called %s, and so would their results be; run one after the other, into another directory",
		e.A.Path, e.B.Path, e.A.Name)
}

// Run measures each kernel in a guest of its own. It returns the result files
// that it wrote, in order, and the errors of the kernels that failed. What such
// a kernel measured before is kept in NAME.partial.txt.
func (f *Fleet) Run(ctx context.Context, kernels []vm.Kernel) ([]string, error) {
	for i, k := range kernels {
		if j := slices.IndexFunc(kernels[:i], func(other vm.Kernel) bool { return other.Name == k.Name }); j >= 0 {
			return nil, &NameError{kernels[j], k}
		}
	}
	for _, dir := range []string{f.Dir, f.Console} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the directory for the results: %w", err)
		}
	}
	tmp, err := tempdir.Make("zombench-kernels-")
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	r := fleetRun{
		Fleet:    f,
		log:      newLog(f.Log, len(kernels)),
		programs: newPrograms(f.Source, tmp.Path),
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
	kvm      func() bool // reports whether KVM works

	mu    sync.Mutex
	files []string // result files written
}

func (r *fleetRun) mayUseKVM(k vm.Kernel) bool { return r.Accel == "" && k.GOARCH == runtime.GOARCH }

// measure measures one kernel.
func (r *fleetRun) measure(ctx context.Context, k vm.Kernel) error {
	name := k.Name
	if r.CPU != "" {
		name += "-" + fileWord(r.CPU)
	}
	if r.Experiment != "" {
		name += "-" + r.Experiment
	}
	if n := max(r.CPUs, r.MaxCPUs); n > 1 {
		name += fmt.Sprintf("-%dcpus", n)
	}
	start := time.Now()
	note := ", failed"
	res, err := r.boot(ctx, k, name)
	if res != nil {
		note, err = r.keep(name, res.Stdout, err)
	}
	r.log.ended(name, time.Since(start), note)
	return err
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
		Experiment: r.Experiment, Fields: r.fields(k), Match: r.Match, Samples: r.Samples, Seed: r.Seed, Version: r.Version, VM: string(accel),
		Comments: provenance(k, qemuVersion(ctx, qemu), cmp.Or(r.CPU, arch.CPU), r.Append),
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
func (r *fleetRun) keep(name string, out []byte, bootErr error) (note string, err error) {
	const failed = ", failed"
	trials, broken, err := count(out, name)
	switch {
	case err != nil && bootErr != nil:
		return failed, bootErr // nothing was measured before
	case err != nil:
		return failed, fmt.Errorf("what the guest sent is no result file: %w", err)
	}
	path := filepath.Join(r.Dir, name+".txt")
	if bootErr != nil {
		path = filepath.Join(r.Dir, name+".partial.txt")
	}
	if err := results.WriteFile(path, func(w io.Writer) error { _, err := w.Write(out); return err }); err != nil {
		return failed, errors.Join(bootErr, err)
	}
	r.mu.Lock()
	r.files = append(r.files, path)
	r.mu.Unlock()
	switch {
	case bootErr != nil:
		return failed, fmt.Errorf("%w; %d trials before that are in %s", bootErr, trials, path)
	case broken > 0:
		return fmt.Sprintf(", %d trials broken", broken), nil
	}
	return "", nil
}

// count counts the trials in a result file.
func count(file []byte, name string) (trials, broken int, err error) {
	reader := results.NewReader(bytes.NewReader(file), name)
	for reader.Scan() {
		rec, err := reader.Record()
		if err != nil {
			return 0, 0, err
		}
		trials++
		if rec.Broken != "" {
			broken++
		}
	}
	return trials, broken, reader.Err()
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
