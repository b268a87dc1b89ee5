package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombench/bench/experiments"
	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/results"
)

// bootable returns the newest amd64 kernel that was fetched, or skips the test.
func bootable(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("booting takes seconds")
	}
	arch, err := vm.LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build the guest's programs")
	}
	resolver := kernels.Resolver{Dir: cacheOf(t)}
	newest, err := resolver.List(t.Context(), nil, []string{"amd64-newest"}, true)
	if err != nil {
		t.Skip("no amd64 kernel in the cache; zombench kernels fetch amd64-newest brings one")
	}
	return newest[0].Name
}

func cacheOf(t *testing.T) string {
	t.Helper()
	dir, err := kernels.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// notKernel makes a file that is no kernel.
func notKernel(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(path, []byte("this is no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKernelsRun measures one kernel beside a file that is none.
func TestKernelsRun(t *testing.T) {
	kernel := bootable(t)
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	err := execute(t.Context(), experiments.All, &stdout, &stderr, []string{"kernels", "run",
		notKernel(t), kernel,
		"--count", "50,100", "--samples", "1", "--node", "n1", "--label", "zone=a b", "-o", dir})
	if nk, ok := errors.AsType[*vm.NotKernelError](err); !ok || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v (%v), want that one file is no kernel", err, nk)
	}
	file := filepath.Join(dir, kernel+".txt")
	set, errs := results.Load(file)
	if len(errs) > 0 {
		t.Fatalf("%v\n%s", errs, stderr.String())
	}
	armies := 0
	for _, r := range set.Records {
		if r.Broken != "" {
			t.Errorf("%s is broken: %s", r.Name(), r.Broken)
		}
		if _, timed := r.Value(results.UnitTime); timed {
			t.Errorf("%s holds a time", r.Name())
		}
		if r.Bench == results.Zombies {
			armies++
			if pids, _ := r.Value(results.UnitPids); pids != 1 {
				t.Errorf("%s: %v pids for each zombie", r.Name(), pids)
			}
			if kmem, _ := r.Value(results.UnitKmem); kmem < 1000*4096 || kmem > 1000*65536 {
				t.Errorf("%s: %v B are charged for 1000 zombies", r.Name(), kmem)
			}
		}
		for _, want := range []results.Param{{Key: "vm", Value: "tcg"}, {Key: "cgroup", Value: "v2"}, {Key: "node", Value: "n1"}, {Key: "zone", Value: "a b"}} {
			if !slices.Contains(r.Config, want) {
				t.Errorf("%s was measured under %v, without %v", r.Name(), r.Config, want)
			}
		}
	}
	if armies != 2 {
		t.Errorf("%d armies, want 2", armies)
	}
	if !strings.Contains(stdout.String(), "1000 zombies hold") {
		t.Errorf("the answer is %q", stdout.String())
	}
}

// TestKernelsTry asks of one kernel what git bisect run does.
func TestKernelsTry(t *testing.T) {
	kernel := filepath.Join(cacheOf(t), "kernels", bootable(t), "vmlinuz")
	for _, tt := range []struct {
		args string
		code int
	}{
		{"--max 1 --count 50", 1},
		{"--max 1 --timeout 1s", 125},
	} {
		var stdout, stderr bytes.Buffer
		err := execute(t.Context(), experiments.All, &stdout, &stderr, append([]string{"kernels", "try", "--samples", "1", "--kernel", kernel}, strings.Fields(tt.args)...))
		if code := exitCode(&stderr, err); code != tt.code || (code == 1) != strings.HasSuffix(stdout.String(), " B a zombie, at most 1 B wanted\n") {
			t.Errorf("%s: status %d, want %d: %s%s", tt.args, code, tt.code, stdout.String(), stderr.String())
		}
	}
}

// TestKernelsOfOneName refuses kernels whose results would be one file.
func TestKernelsOfOneName(t *testing.T) {
	var args []string
	for _, tail := range []string{"", "x"} {
		path := filepath.Join(t.TempDir(), "vmlinuz-6.1.0-test")
		image := make([]byte, 0x300) // of a bzImage: Documentation/arch/x86/boot.rst
		copy(image[0x1fe:], "\x55\xaa\x00\x00HdrS\x0c\x02")
		if err := os.WriteFile(path, append(image, tail...), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	dir := t.TempDir()
	err := execute(t.Context(), experiments.All, io.Discard, io.Discard, append([]string{"kernels", "run", "-o", dir}, args...))
	if err == nil || !strings.Contains(err.Error(), "are both called i386-6.1.0-test") {
		t.Errorf("got %v, want that they have one name", err)
	}
	if files, _ := filepath.Glob(dir + "/*"); len(files) > 0 {
		t.Errorf("%v are left", files)
	}
}

// TestKernelsListed lists kernels of the architecture that a pattern names.
func TestKernelsListed(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	err := execute(t.Context(), experiments.All, io.Discard, io.Discard, []string{"kernels", "list", "--cached", "s390x-*"})
	if err == nil || !strings.Contains(err.Error(), "s390x-*") {
		t.Errorf("got %v, want that no such kernel is here", err)
	}
	err = execute(t.Context(), experiments.All, io.Discard, io.Discard, []string{"kernels", "list", "--cached", "vax-*"})
	if err == nil || !strings.Contains(err.Error(), "unknown architecture") {
		t.Errorf("got %v, want that nobody knows a vax", err)
	}
}

// TestKernelsFail fails in every way in which a kernel can: one clear error
// each, in bounded time, and no result file.
func TestKernelsFail(t *testing.T) {
	kernel := bootable(t)
	for _, tt := range []struct {
		name  string
		args  []string
		wants string
	}{
		{"panic", []string{"--append", "rdinit=/nonexistent"}, "the kernel panicked: "},
		{"hang", []string{"--timeout", "2s"}, "no end marker after 2s"},
		{"too small for the army", []string{"--count", "60000"}, "an army of 60000 does not fit: "},
		{"too small for anything", []string{"--memory", "80", "--timeout", "40s"}, "too little memory"},
		{"no such CPU", []string{"--cpu", "nonexistent"}, "QEMU failed: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var stderr bytes.Buffer
			err := execute(t.Context(), experiments.All, io.Discard, &stderr, append([]string{"kernels", "run", kernel, "--samples", "1", "--accel", "tcg", "-o", dir}, tt.args...))
			if err == nil || !strings.Contains(err.Error(), tt.wants) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q\n%s", err, tt.wants, stderr.String())
			}
			if err != nil && !strings.Contains(err.Error(), kernel) {
				t.Errorf("error %v does not name the kernel", err)
			}
			if files, _ := filepath.Glob(dir + "/*"); len(files) > 0 {
				t.Errorf("%v are left", files)
			}
		})
	}
}

// TestKernelsInterrupted interrupts zombench while QEMU runs.
func TestKernelsInterrupted(t *testing.T) {
	kernel := bootable(t)
	tmp := t.TempDir()
	mark := fmt.Sprintf("zombench-test=%d", os.Getpid())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "zombench", "kernels", "run", kernel, "--append", mark, "-o", filepath.Join(tmp, "out"))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.HasSuffix(lines.Text(), ": 1/8 trials") || strings.Contains(lines.Text(), "booting") {
			for len(running(t, mark)) < 2 { // zombench and QEMU
				if ctx.Err() != nil {
					t.Fatal("QEMU does not run")
				}
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 {
		t.Errorf("ended with %v, want status 130: %q", err, said)
	}
	if left := running(t, mark); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if files, _ := filepath.Glob(tmp + "/*"); len(files) != 1 { // the directory for results
		t.Errorf("%v are left", files)
	}
	if files, _ := filepath.Glob(tmp + "/out/*"); len(files) > 0 {
		t.Errorf("%v are left", files)
	}
}

// running lists the processes with mark in their command line.
func running(t *testing.T, mark string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(f string) bool {
		b, err := os.ReadFile(f)
		return err != nil || !bytes.Contains(b, []byte(mark))
	})
}

// TestKernelsRefuses needs neither QEMU nor a kernel.
func TestKernelsRefuses(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir(t.TempDir()) // the directory for results is made first
	for _, tt := range []struct {
		args  string
		code  int
		wants string
	}{
		{"run ./nonexistent", 1, "no such file or directory"},
		{"run --arch vax", 2, `--arch: unknown architecture "vax"`},
		{"run --shard 4/3", 2, `--shard: "4/3" is no part`},
		{"run -o /dev/null/x amd64-newest", 1, "a directory for the results: /dev/null/x: "},
		{"run --jobs 0", 2, "--jobs: 0 is out of range"},
		{"run --label zone", 2, `--label: "zone" is not KEY=VALUE`},
		{"run --label vm=none", 2, `--label: "vm=none": there is a vm already`},
		{"run --count 0", 2, "--count: 0 is out of range"},
		{"run --samples 0", 2, "--samples: 0 "},
		{"run --accel fast", 2, `unknown value "fast"`},
		{"run --timeout 0s", 2, "--timeout: 0s"},
		{"run --memory -1", 2, "--memory: -1"},
		{"run " + notKernel(t), 1, "is not a kernel image: "},
		{"run vax-newest", 1, `unknown architecture "vax"`},
		{"run amd64-[", 2, "syntax error in pattern"},
		{"list amd64-[", 2, "syntax error in pattern"},
		{"fetch", 2, "fetch takes at least one kernel"},
		{"list --arch vax", 2, `--arch: unknown architecture "vax"`},
		{"boot", 2, `unknown command "boot"`},
		{"bisect amd64-oldest", 2, "bisect takes two kernels"},
		{"bisect amd64-oldest arm64-newest", 1, "a series is of one architecture"},
		{"try --max 1", 128, "try needs --kernel FILE and --max BYTES"},
		{"try --nonsense", 128, "unknown flag: --nonsense"},
		{"try --max much", 128, "--max"},
		{"try --kernel . --max 1", 128, "no kernel was built in ."},
		{"try leftover", 128, "takes no argument"},
		{"try --kernel " + notKernel(t) + " --max 1", 128, "is not a kernel image: "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var stderr bytes.Buffer
			err := execute(t.Context(), experiments.All, io.Discard, &stderr, append([]string{"kernels"}, strings.Fields(tt.args)...))
			code := exitCode(&stderr, err)
			if code != tt.code || !strings.Contains(stderr.String(), tt.wants) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("status %d, %q; want %d and one line with %q", code, stderr.String(), tt.code, tt.wants)
			}
		})
	}
}
