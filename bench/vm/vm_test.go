package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombench/bench/vm/guest"
)

// testKernels returns the kernels that this machine has: installed ones, and
// those fetched into the cache.
func testKernels(t *testing.T) []Kernel {
	t.Helper()
	patterns := []string{"/boot/vmlinuz-*", "/boot/vmlinux-*", "/usr/lib/modules/*/vmlinuz"}
	if cache, err := os.UserCacheDir(); err == nil {
		patterns = append(patterns, filepath.Join(cache, "zombench/kernels/*/vmlinuz"))
	}
	var all []Kernel
	for _, p := range patterns {
		files, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			k, err := Inspect(f)
			if err != nil {
				t.Logf("passed over: %v", err)
				continue
			}
			if !slices.ContainsFunc(all, func(o Kernel) bool { return o.SHA256 == k.SHA256 }) {
				all = append(all, k)
			}
		}
	}
	return all
}

// amd64Kernel returns a kernel for the tests that need one, the newest.
func amd64Kernel(t *testing.T) Kernel {
	t.Helper()
	if testing.Short() {
		t.Skip("booting takes seconds")
	}
	arch, err := LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	var newest Kernel
	for _, k := range testKernels(t) {
		if k.GOARCH == "amd64" && (newest.Path == "" || newer(k.Release, newest.Release)) {
			newest = k
		}
	}
	if newest.Path == "" {
		t.Skip("no amd64 kernel in /boot or in the cache; zombench kernels fetch amd64-newest brings one")
	}
	return newest
}

// newer compares the numbers that releases begin with.
func newer(a, b string) bool {
	numbers := func(s string) (n [3]int) {
		i := 0
		for _, r := range s {
			switch {
			case r >= '0' && r <= '9':
				n[i] = 10*n[i] + int(r-'0')
			case r == '.' && i < 2:
				i++
			default:
				return n
			}
		}
		return n
	}
	x, y := numbers(a), numbers(b)
	return slices.Compare(x[:], y[:]) > 0
}

// buildInit builds testdata/init for an architecture.
func buildInit(t *testing.T, goarch string) string {
	t.Helper()
	arch, err := LookupArch(goarch)
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/init")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch.GOARCH), arch.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	return bin
}

// config returns a guest that runs a mode of testdata/init.
func config(t *testing.T, k Kernel, mode string) Config {
	t.Helper()
	files, err := GuestFiles(buildInit(t, k.GOARCH), guest.Config{Args: []string{"/init", mode}})
	if err != nil {
		t.Fatal(err)
	}
	return Config{Kernel: k, Files: files, Timeout: 3 * time.Minute}
}

func TestBoot(t *testing.T) {
	k := amd64Kernel(t)
	t.Run("report", func(t *testing.T) {
		res, err := Boot(t.Context(), config(t, k, "report"))
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, k, string(res.Stdout))
		if len(res.Stderr) != 0 {
			t.Errorf("the guest complained: %s", res.Stderr)
		}
	})
	t.Run("much output", func(t *testing.T) {
		res, err := Boot(t.Context(), config(t, k, "print"))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Repeat(strings.Repeat("0123456789abcdef", 4)+"\n", 2000) + "\n"; string(res.Stdout) != want {
			t.Errorf("%d bytes instead of %d", len(res.Stdout), len(want))
		}
	})
	t.Run("a process left behind", func(t *testing.T) {
		res, err := Boot(t.Context(), config(t, k, "orphan"))
		if err != nil || string(res.Stdout) != "left one behind\n" {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// checkReport checks what testdata/init says of the machine that package guest
// has prepared for it.
func checkReport(t *testing.T, k Kernel, report string) {
	t.Helper()
	for _, want := range []string{
		"goarch " + k.GOARCH + "\n",
		"/proc/1/comm init\n",
		"/proc/self/cgroup 0::/init.scope\n",
		"/sys/fs/cgroup/cgroup.subtree_control memory pids\n",
		"nofile 1048576\n",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("%s: no %q in the report:\n%s", k.Name, want, report)
		}
	}
	if k.Release != "" && !strings.Contains(report, "release "+k.Release+"\n") {
		t.Errorf("%s: the image says release %s, the kernel:\n%s", k.Name, k.Release, report)
	}
	for _, bad := range []string{"no such file", "not permitted", "denied"} {
		if strings.Contains(report, bad) {
			t.Errorf("%s: something is missing in the guest:\n%s", k.Name, report)
		}
	}
}

func TestBootFailures(t *testing.T) {
	k := amd64Kernel(t)
	t.Run("init exits", func(t *testing.T) {
		c := config(t, k, "report")
		c.Append = []string{"vmtest=exit"}
		_, err := Boot(t.Context(), c)
		guestError(t, err, "the kernel panicked: ")
		if !strings.Contains(err.Error(), "Attempted to kill init!") || !strings.Contains(err.Error(), "; last: ") {
			t.Errorf("%v does not say why, or quotes nothing", err)
		}
		if errors.Is(err, ErrTooSmall) {
			t.Errorf("%v is ErrTooSmall", err)
		}
	})
	t.Run("no init", func(t *testing.T) {
		c := config(t, k, "report")
		c.Files = nil
		_, err := Boot(t.Context(), c)
		guestError(t, err, "the kernel panicked: ")
	})
	t.Run("init hangs", func(t *testing.T) {
		c := config(t, k, "report")
		c.Append = []string{"vmtest=hang"}
		c.Timeout = 5 * time.Second
		_, err := Boot(t.Context(), c)
		guestError(t, err, "no end marker after 5s, and the guest's init never began")
	})
	t.Run("the program hangs", func(t *testing.T) {
		// Ended by the test as soon as the guest's init has begun.
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("interrupted")
		c := config(t, k, "sleep")
		var seen strings.Builder // the marker may come in pieces
		c.Console = writerFunc(func(p []byte) {
			seen.Write(p)
			if strings.Contains(seen.String(), "<zb1:b:0:") {
				cancel(stop)
			}
		})
		if _, err := Boot(ctx, c); !errors.Is(err, stop) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c := config(t, k, "report")
		c.Append = []string{"vmtest=reset"}
		_, err := Boot(t.Context(), c)
		guestError(t, err, "the machine went down without an end marker, ")
	})
	t.Run("the program fails", func(t *testing.T) {
		res, err := Boot(t.Context(), config(t, k, "status"))
		if res == nil || string(res.Stdout) != "half a result\n" {
			t.Errorf("got %+v with it, want what was printed before", res)
		}
		var e *ExitError
		if !errors.As(err, &e) || e.Status != 42 || !strings.Contains(err.Error(), "pids.max is 3, 5 are needed") {
			t.Errorf("got %v, want an *ExitError of 42", err)
		}
	})
	t.Run("the program is killed", func(t *testing.T) {
		_, err := Boot(t.Context(), config(t, k, "killed"))
		var e *ExitError
		if !errors.As(err, &e) || e.Status != 128+int(syscall.SIGKILL) {
			t.Errorf("got %v, want an *ExitError of 137", err)
		}
	})
	t.Run("the program does not exist", func(t *testing.T) {
		c := config(t, k, "report")
		files, err := GuestFiles(c.Files[0].Source, guest.Config{Args: []string{"/nonexistent"}})
		if err != nil {
			t.Fatal(err)
		}
		c.Files = files
		_, err = Boot(t.Context(), c)
		var e *ExitError
		if !errors.As(err, &e) || e.Status != guest.StatusSetup || !strings.Contains(err.Error(), "starting /nonexistent") {
			t.Errorf("got %v, want an *ExitError of %d", err, guest.StatusSetup)
		}
	})
	t.Run("too small to come up", func(t *testing.T) {
		c := config(t, k, "report")
		c.Memory = 80 // some kernels panic, some hang without a word
		c.Timeout = 40 * time.Second
		if _, err := Boot(t.Context(), c); !errors.Is(err, ErrTooSmall) {
			t.Errorf("got %v, want ErrTooSmall", err)
		}
	})
	t.Run("too small for the program", func(t *testing.T) {
		c := config(t, k, "eat")
		c.Memory = 192
		_, err := Boot(t.Context(), c)
		var e *ExitError
		switch {
		case errors.As(err, &e) && e.Status != 0: // the program died
		case errors.Is(err, ErrTooSmall):
		default:
			t.Errorf("got %v, want an *ExitError or ErrTooSmall", err)
		}
	})
}

// guestError checks the error of a guest to which something happened.
func guestError(t *testing.T, err error, what string) {
	t.Helper()
	e, ok := errors.AsType[*GuestError](err)
	if !ok || !strings.HasPrefix(e.What, what) || !errors.Is(err, ErrFailed) {
		t.Fatalf("got %v, want a *GuestError: %s", err, what)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// TestBootRefuses needs no QEMU that works.
func TestBootRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(text, []byte("this is no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte("#!/bin/sh\necho 'out of luck' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "bzImage")
	if err := os.WriteFile(image, bzImage(1), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")

	var nk *NotKernelError
	if _, err := Inspect(text); !errors.As(err, &nk) {
		t.Errorf("Inspect: got %v, want a *NotKernelError", err)
	}
	if _, err := Boot(t.Context(), Config{Kernel: Kernel{GOARCH: "amd64", Path: text}}); !errors.As(err, &nk) {
		t.Errorf("got %v, want a *NotKernelError", err)
	}
	if _, err := Boot(t.Context(), Config{Kernel: Kernel{GOARCH: "amd64", Path: "/nonexistent"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := Boot(t.Context(), Config{Kernel: Kernel{GOARCH: "vax", Path: image}}); err == nil || !strings.Contains(err.Error(), "unknown architecture") {
		t.Errorf("got %v", err)
	}
	if _, err := Boot(t.Context(), Config{Kernel: Kernel{GOARCH: "amd64", Path: image}}); err == nil || !strings.Contains(err.Error(), "QEMU failed: exit status 3; last: out of luck") {
		t.Errorf("got %v, want what QEMU says", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Boot(t.Context(), Config{Kernel: Kernel{GOARCH: "amd64", Path: image}}); err == nil || !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("got %v, want what installs QEMU", err)
	}
}

// TestProbe proves the probe itself on software emulation, which always works.
func TestProbe(t *testing.T) {
	arch, err := LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	if !probe(t.Context(), arch, TCG, "\xb0\x10\xe6\xf4\xf4") {
		t.Error("a guest that ends was not seen")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if probe(ctx, arch, TCG, "\xf4\xeb\xfd") { // hlt, and again
		t.Error("a guest that hangs counts as working")
	}
	if probe(t.Context(), arch, Accel("nonexistent"), "\xf4") {
		t.Error("an accelerator that does not exist counts as working")
	}
}

// TestArchs boots one kernel of every architecture that is in the cache.
func TestArchs(t *testing.T) {
	if os.Getenv("ZOMBENCH_TEST_ARCHS") == "" {
		t.Skip("ZOMBENCH_TEST_ARCHS is not set: boots every kernel of the cache")
	}
	for _, k := range testKernels(t) {
		t.Run(k.Name, func(t *testing.T) {
			res, err := Boot(t.Context(), config(t, k, "report"))
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, k, string(res.Stdout))
		})
	}
}
