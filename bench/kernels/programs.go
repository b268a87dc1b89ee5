package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"zombench/bench/kernels/job"
	"zombench/bench/vm"
	"zombench/bench/vm/initramfs"
)

// programs are the static builds of what guests run, one for each architecture
// that is asked for.
type programs struct {
	source string // a directory in zombench's source; "" if all were built before
	dir    string // where the builds lie, by architecture

	mu    sync.Mutex // one at a time: the compiler uses all CPUs
	built map[string]error
}

func newPrograms(source, dir string) *programs {
	return &programs{source: source, dir: dir, built: make(map[string]error)}
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
		if _, err = os.Stat(filepath.Join(p.dirOf(arch), "guest")); err != nil {
			err = fmt.Errorf("the guests' programs for %s (make guests builds them): %w", arch.GOARCH, err)
		}
	default:
		err = build(ctx, arch, p.source, p.dirOf(arch))
		p.built[arch.GOARCH] = err
	}
	return err
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
