package kernels

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"zombench/bench/kernels/job"
	"zombench/bench/vm"
	"zombench/bench/vm/initramfs"
)

// programs are the static builds of what guests run, one for each architecture
// that is asked for.
type programs struct {
	dir    string // where they lie, by architecture
	source string // in which they are built first; "" if they were built before
	hint   string // how they can be had, for an error

	mu    sync.Mutex // one at a time: the compiler uses all CPUs
	built map[string]error
}

// findPrograms returns the programs that f says; else those of the source around the
// working directory, to be built in tmp; else those that are installed with zombench.
func (f *Fleet) findPrograms(tmp string) (*programs, error) {
	p := &programs{dir: f.Guest, hint: "; make guests builds them", built: make(map[string]error)}
	switch {
	case f.Guest != "":
	case f.Source != "":
		p.dir, p.source = tmp, f.Source
	default:
		wd, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		if inSource(wd) {
			p.dir, p.source = tmp, wd
			break
		}
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		p.dir = installed(self)
		p.hint = fmt.Sprintf("; the package zombench-guests brings them, and %s is not in zombench's source, to build them", wd)
	}
	return p, nil
}

// installed returns where the guests' programs lie beside an installed zombench: those
// of /usr/bin/zombench in /usr/lib/zombench/guests.
func installed(zombench string) string {
	return filepath.Join(filepath.Dir(zombench), "../lib/zombench/guests")
}

// inSource reports whether a directory is in zombench's source.
func inSource(dir string) bool {
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			return strings.HasPrefix(string(mod), "module zombench\n")
		}
		if dir == filepath.Dir(dir) {
			return false
		}
		dir = filepath.Dir(dir)
	}
}

// files returns the files of a guest that does j, with programs that were built.
func (p *programs) files(arch vm.Arch, j job.Job) ([]initramfs.File, error) {
	dir := p.dirOf(arch)
	config, err := j.Config()
	if err != nil {
		return nil, err
	}
	return vm.GuestFiles(filepath.Join(dir, "guest"), config,
		initramfs.File{Path: job.Zombench, Link: "/init"},
		initramfs.File{Path: job.Zombied, Source: filepath.Join(dir, "zombied"), Mode: 0o755},
	)
}

func (p *programs) dirOf(arch vm.Arch) string { return filepath.Join(p.dir, arch.GOARCH) }

// build builds the programs of an architecture, unless that was done.
func (p *programs) build(ctx context.Context, arch vm.Arch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err, done := p.built[arch.GOARCH]
	switch {
	case done:
	case p.source == "":
		if err = sameBuild(filepath.Join(p.dirOf(arch), "guest"), mainVersion()); err != nil {
			err = fmt.Errorf("the guests' programs for %s: %w%s", arch.GOARCH, err, p.hint)
		}
	default:
		err = build(ctx, arch, p.source, p.dirOf(arch))
		p.built[arch.GOARCH] = err
	}
	return err
}

// sameBuild reports that a program is not of this version of zombench: it might take
// a job for another one, and its results would have the wrong version in their head.
func sameBuild(program, version string) error {
	info, err := buildinfo.ReadFile(program)
	if err == nil && info.Main.Version != version {
		err = fmt.Errorf("%s is of zombench %s, and this is %s", program, info.Main.Version, version)
	}
	return err
}

func mainVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

func build(ctx context.Context, arch vm.Arch, source, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/",
		"zombench/cmd/zombench/guest", "zombench/cmd/zombied")
	cmd.Dir = source
	// The user's flags and workspace are not the guest's.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch.GOARCH, "GOFLAGS=", "GOWORK=off")
	cmd.Env = append(cmd.Env, arch.Env...)
	cmd.Env = append(cmd.Env, "GOTMPDIR="+filepath.Dir(dir)) // of what it leaves when it is killed
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("building the guests' programs needs the go command; https://go.dev/dl")
	case err != nil:
		complaint, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("building the guests' programs for %s in %s, which has to be a directory in zombench's source: %w: %s",
			arch.GOARCH, source, err, complaint)
	}
	return nil
}
