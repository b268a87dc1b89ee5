package spawning

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/bench/tempdir"
)

// zombied is our own daemon with one of its ways of spawning, on one thread.
type zombied struct{ spawn string }

func (z zombied) name() string { return "zombied-" + z.spawn }

func (z zombied) army(ctx context.Context, s *bench.Site, cpu, count int) (timing, error) {
	d, err := s.ZombiedBy(ctx, pinned(cpu, s.Start), daemon.Options{Count: count, Parallel: 1, Spawn: z.spawn})
	if err != nil {
		return timing{}, err
	}
	raised, err := d.Raise(ctx, nil)
	if err == nil {
		err = bench.Complete(raised, count)
	}
	if err != nil {
		return timing{}, err
	}
	reaped, err := d.Reap(ctx, nil)
	return timing{raise: raised.Spawn, reap: reaped.Reap}, err
}

// A program is a peer in C that raises and reaps the army that its argument
// says, and prints how long that took. It is compiled when it is first needed
// and nothing of it stays on disk: it is run by its descriptor.
type program struct {
	source string // below peers/, without .c
	file   *os.File
}

func (p *program) name() string { return "c-" + p.source }

func (p *program) army(ctx context.Context, s *bench.Site, cpu, count int) (timing, error) {
	return p.armyBy(ctx, pinned(cpu, s.Start), count)
}

func (p *program) armyBy(ctx context.Context, start daemon.Starter, count int) (timing, error) {
	if p.file == nil {
		var err error
		if p.file, err = compile(ctx, p.source); err != nil {
			return timing{}, err
		}
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.file.Fd())
	out, err := output(ctx, start, path, strconv.Itoa(count))
	if err != nil {
		return timing{}, err
	}
	return parseTiming(out)
}

var programTiming = regexp.MustCompile(`^raise_ns=(\d+) reap_ns=(\d+)\n$`)

// parseTiming reads what a peer has printed.
func parseTiming(out []byte) (t timing, err error) {
	m := programTiming.FindSubmatch(out)
	if m == nil {
		return t, fmt.Errorf("a peer printed %q and no times", out)
	}
	raise, err1 := strconv.ParseInt(string(m[1]), 10, 64)
	reap, err2 := strconv.ParseInt(string(m[2]), 10, 64)
	return timing{time.Duration(raise), time.Duration(reap)}, errors.Join(err1, err2)
}

//go:embed peers
var sources embed.FS

// compile compiles a peer with gcc -O2.
func compile(ctx context.Context, name string) (_ *os.File, err error) {
	tmp, err := tempdir.Make("zombench-spawning-")
	if err != nil {
		return nil, fmt.Errorf("compiling %s.c: %w", name, err)
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	dir := tmp.Path
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, fmt.Errorf("writing the peers' sources: %w", err)
	}
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "gcc", "-O2", "-o", path, filepath.Join(dir, "peers", name+".c"))
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // of what it leaves when it is killed
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling %s.c: %w: %s", name, err, bytes.TrimSpace(out))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening what gcc made of %s.c: %w", name, err)
	}
	return f, nil
}

// stressNG is the zombie stressor of stress-ng. It says only how long raising
// and reaping took together, and it forks a process of stress-ng's size.
type stressNG struct{}

func (stressNG) name() string { return "stress-ng" }

func (stressNG) army(ctx context.Context, s *bench.Site, cpu, count int) (timing, error) {
	n := strconv.Itoa(count)
	out, err := output(ctx, pinned(cpu, s.Start), "stress-ng", "--zombie", "1", "--zombie-ops", n, "--zombie-max", n, "--metrics")
	if err != nil {
		return timing{}, err
	}
	return parseMetrics(out, count)
}

// The line of metrics: stressor, operations, then the real time in seconds.
var stressTiming = regexp.MustCompile(`\bzombie +(\d+) +(\d+\.\d+) `)

// parseMetrics reads what stress-ng has printed of an army of count.
func parseMetrics(out []byte, count int) (t timing, err error) {
	m := stressTiming.FindSubmatch(out)
	if m == nil || string(m[1]) != strconv.Itoa(count) {
		return t, fmt.Errorf("stress-ng printed no metrics of %d zombies", count)
	}
	seconds, err := strconv.ParseFloat(string(m[2]), 64)
	return timing{raise: time.Duration(seconds * float64(time.Second))}, err
}

// output runs a program and returns all that it printed.
func output(ctx context.Context, start daemon.Starter, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w: %.200s", path, err, bytes.TrimSpace(out.Bytes()))
	}
	return out.Bytes(), nil
}
