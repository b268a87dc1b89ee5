package zombietest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
)

var guests = flag.Bool("guests", false, "run the live tests of the BPF packages under the kernels that were fetched")

// What reads the kernel's structs does so under other kernels: the live tests of
// the packages pass in guests, and none is skipped for want of BPF.
func TestUnderOtherKernels(t *testing.T) {
	if !*guests {
		t.Skip("takes minutes; go test -guests does it")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("emulating amd64 on another architecture takes too long")
	}
	bin := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(bin, "guest"), "./testdata/guest")
	config := guest.Config{Args: []string{"/bin/tests"}}
	files := []initramfs.File{{Path: "/bin/tests", Link: "/init"}}
	for _, pkg := range []string{"bpf", "taskscan", "lifecycle", "watch"} {
		path := filepath.Join(bin, pkg+".test")
		run("go", "test", "-c", "-o", path, "zombench/measure/"+pkg)
		files = append(files, initramfs.File{Path: "/bin/" + pkg + ".test", Source: path, Mode: 0o755})
		config.Args = append(config.Args, "/bin/"+pkg+".test")
	}
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, initramfs.File{Path: "/bin/perl", Source: perl, Mode: 0o755})
	for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(run("ldd", perl), -1) {
		files = append(files, initramfs.File{Path: lib, Source: lib, Mode: 0o755})
	}
	dir, err := kernels.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	cached, err := debian.Cached(dir)
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, k := range cached {
		if k.GOARCH != "amd64" {
			continue
		}
		tested++
		t.Run(k.Name, func(t *testing.T) {
			all, err := vm.GuestFiles(filepath.Join(bin, "guest"), config, files...)
			if err != nil {
				t.Fatal(err)
			}
			accel := vm.TCG
			if vm.ProbeKVM(t.Context(), k.GOARCH) {
				accel = vm.KVM
			}
			start := time.Now()
			res, err := vm.Boot(t.Context(), vm.Config{Kernel: k, Files: all, Accel: accel, CPUs: 2, Memory: 1024, Timeout: 10 * time.Minute})
			if res == nil {
				t.Fatal(err)
			}
			out := string(res.Stdout)
			t.Logf("by %s in %v\n%s", accel, time.Since(start).Round(time.Second), out)
			if err != nil {
				t.Error(err)
			}
			for _, want := range []string{"PASS: TestMembersAsCilium", "PASS: TestAsProc", "PASS: TestCgroupRemoved", "PASS: TestCount", "PASS: TestExact", "PASS: TestLatency", "PASS: TestSums", "PASS: TestCapabilities"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q", want)
				}
			}
		})
	}
	if tested == 0 {
		t.Skip("no kernel in the cache; zombench kernels fetch brings some")
	}
}
