// Package guests boots kernels that were fetched and runs programs and tests of
// this module there: what a test needs another kernel for, or a machine that may
// hang. In flow a kernel and files, out flows what was printed. It is for tests
// alone; what measures is package kernels.
package guests

import (
	"cmp"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
	"zombench/results"
)

// Kernels returns the amd64 kernels that were fetched whose version begins with
// that of a series, "" for all: those without a flavour first, the newest first. It
// skips the test if there is none, or no QEMU.
func Kernels(t testing.TB, series string) []vm.Kernel {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("emulating amd64 on another architecture takes too long")
	}
	arch, err := vm.LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	dir, err := kernels.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	cached, err := debian.Cached(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []vm.Kernel
	for _, k := range cached {
		if rest, ok := strings.CutPrefix(k.Name, "amd64-"+series); ok && (series == "" || strings.IndexFunc(rest, unicode.IsDigit) != 0) {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		t.Skipf("no kernel %s in the cache; zombench kernels fetch amd64-%s brings one, --suite trixie-backports older ones", series, series)
	}
	version := func(k vm.Kernel) string { return strings.TrimPrefix(k.Name, "amd64-") }
	flavoured := func(k vm.Kernel) int { return min(1, len(results.Flavour(version(k)))) }
	slices.SortFunc(found, func(a, b vm.Kernel) int {
		return cmp.Or(cmp.Compare(flavoured(a), flavoured(b)), results.CompareReleases(version(b), version(a)))
	})
	return found
}

// Program builds a program of this module: /bin/NAME, by the last element of its
// package's path.
func Program(t testing.TB, pkg string) initramfs.File {
	t.Helper()
	return build(t, path.Base(pkg), "build", "-trimpath", "-ldflags=-s -w", pkg)
}

// Test builds the tests of a package: /bin/NAME.test.
func Test(t testing.TB, pkg string) initramfs.File {
	t.Helper()
	return build(t, path.Base(pkg)+".test", "test", "-c", pkg)
}

func build(t testing.TB, name, command string, args ...string) initramfs.File {
	t.Helper()
	file := initramfs.File{Path: "/bin/" + name, Source: filepath.Join(t.TempDir(), name), Mode: 0o755}
	cmd := exec.Command("go", append([]string{command, "-o", file.Source}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return file
}

// Installed returns programs of this machine, with their libraries: /bin/NAME. It
// skips the test if one is missing.
func Installed(t testing.TB, names ...string) []initramfs.File {
	t.Helper()
	var files []initramfs.File
	have := make(map[string]bool)
	for _, name := range names {
		file, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		libraries, _ := exec.Command("ldd", file).Output() // fails for a static program
		files = append(files, initramfs.File{Path: "/bin/" + name, Source: file, Mode: 0o755})
		for _, library := range regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1) {
			if !have[library] {
				have[library] = true
				files = append(files, initramfs.File{Path: library, Source: library, Mode: 0o755})
			}
		}
	}
	return files
}

// Boot boots a kernel, runs args in it, and returns what that printed, also with
// the error of a guest that failed. init is a program that calls guest.Main where
// guest.IsInit says so, and lies among the files of the guest under its own path.
func Boot(t testing.TB, k vm.Kernel, memory int, within time.Duration, init initramfs.File, args []string, files ...initramfs.File) (string, error) {
	t.Helper()
	files, err := vm.GuestFiles(init.Source, guest.Config{Args: args}, append(files, initramfs.File{Path: init.Path, Link: guest.InitPath})...)
	if err != nil {
		t.Fatal(err)
	}
	accel := vm.TCG
	if vm.ProbeKVM(t.Context(), k.GOARCH) {
		accel = vm.KVM
	}
	var log strings.Builder
	start := time.Now()
	res, err := vm.Boot(t.Context(), vm.Config{Kernel: k, Files: files, Accel: accel, CPUs: 2, Memory: memory, Timeout: within, Stderr: &log})
	t.Logf("%s by %s: %v", k.Name, accel, time.Since(start).Round(time.Second))
	if res == nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return string(res.Stdout), err
}
