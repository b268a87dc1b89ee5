package watched

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench"
	"zombench/bench/coproc"
	"zombench/bench/reexec"
)

// A watcher looks at the processes of the system.
type watcher struct {
	name, about string
	needs       []bench.Need
	// begin makes it ready; look looks once, and returns the CPU time that took.
	begin func(ctx context.Context, s *bench.Site, in *bench.Beside) (look func() (time.Duration, error), err error)
}

// nobody does not look.
const nobody = "nobody"

func watchers() []watcher {
	return []watcher{
		{nobody, "nobody looks", nil, func(context.Context, *bench.Site, *bench.Beside) (func() (time.Duration, error), error) {
			return func() (time.Duration, error) { return 0, nil }, nil
		}},
		{"readdir", "the entries of /proc are read", nil, looker("readdir")},
		{"stat", "the entries of /proc are read, and stat of each process", nil, looker("stat")},
		{"ps", "ps aux", []bench.Need{bench.NeedProgram("ps", "it is in Debian's package procps")}, command("ps", "aux")},
		{"top", "top -b -n 1", []bench.Need{bench.NeedProgram("top", "it is in Debian's package procps")}, command("top", "-b", "-n", "1")},
		{"node_exporter", "a scrape of node_exporter with nothing but the collector of processes",
			[]bench.Need{{Name: "node_exporter", Check: func(*bench.Host) error { _, err := exporter(); return err }}}, scrape},
	}
}

// command is a program that is started for each look.
func command(name string, args ...string) func(context.Context, *bench.Site, *bench.Beside) (func() (time.Duration, error), error) {
	return func(ctx context.Context, _ *bench.Site, in *bench.Beside) (func() (time.Duration, error), error) {
		return func() (time.Duration, error) {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.Env = append(os.Environ(), "TERM=dumb")
			if err := in.Start(cmd); err != nil {
				return 0, err
			}
			err := cmd.Wait()
			return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
		}, nil
	}
}

// lookerName is the coprocess that reads /proc itself, once for each order.
const lookerName = "zombench-looker"

func lookerProgram() reexec.Program {
	return reexec.Program{Name: lookerName, Main: reexec.Reporting("looking at processes", 1, func(args []string) error {
		fmt.Println("ready")
		orders := bufio.NewScanner(os.Stdin)
		for orders.Scan() {
			if err := readProc("/proc", args[0] == "stat"); err != nil {
				return err
			}
			fmt.Println("looked")
		}
		return orders.Err()
	})}
}

// readProc reads the entries of a directory such as /proc, and stat of each process.
func readProc(proc string, stat bool) error {
	dir, err := os.Open(proc)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil || !stat {
		return err
	}
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		_, err := os.ReadFile(filepath.Join(proc, name, "stat"))
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) { // it may have gone
			return err
		}
	}
	return nil
}

func looker(mode string) func(context.Context, *bench.Site, *bench.Beside) (func() (time.Duration, error), error) {
	return func(ctx context.Context, s *bench.Site, in *bench.Beside) (func() (time.Duration, error), error) {
		p, err := coproc.Start(ctx, in.Start, reexec.Command(lookerName, mode))
		if err != nil {
			return nil, err
		}
		s.Cleanup(func(context.Context) error { return p.Close() })
		return timed(p.Pid(), func() error { _, err := p.Ask("look"); return err }), nil
	}
}

// exporter finds node_exporter: Debian has a name of its own for it.
func exporter() (string, error) {
	for _, name := range []string{"node_exporter", "prometheus-node-exporter"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("node_exporter is not on PATH; it is Debian's package prometheus-node-exporter")
}

// scrape starts node_exporter, whose look is a scrape.
func scrape(ctx context.Context, s *bench.Site, in *bench.Beside) (func() (time.Duration, error), error) {
	path, err := exporter()
	if err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	cmd := exec.Command(path, "--collector.disable-defaults", "--collector.processes", "--web.listen-address="+address)
	if err := in.Start(cmd); err != nil {
		return nil, err
	}
	s.Cleanup(func(context.Context) error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		return nil
	})
	get := func(path string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	ready, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.Await(ready, "node_exporter answers", 10*time.Millisecond, func() (bool, error) { return get("/") == nil, nil }); err != nil {
		return nil, err
	}
	return timed(cmd.Process.Pid, func() error { return get("/metrics") }), nil
}

// timed returns what does something and says what CPU time a process took for it.
func timed(pid int, do func() error) func() (time.Duration, error) {
	clock := int32(^pid<<3 | 2) // of all its threads: clock_getcpuclockid(3), CPUCLOCK_SCHED
	used := func() (time.Duration, error) {
		var t unix.Timespec
		err := unix.ClockGettime(clock, &t)
		return time.Duration(t.Nano()), os.NewSyscallError("clock_gettime", err)
	}
	return func() (time.Duration, error) {
		before, err := used()
		if err == nil {
			err = do()
		}
		if err != nil {
			return 0, err
		}
		after, err := used()
		return after - before, err
	}
}
