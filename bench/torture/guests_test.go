package torture

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/bench/kernels"
	"zombench/bench/labtest"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
)

var (
	guests = flag.Bool("guests", false, "torture in guests, where cgroups are version 2, and hybrid")
	kind   = flag.String("kind", "", "in a guest: how its cgroups are mounted, v2 or hybrid")
	bin    = flag.String("bin", "", "directory that zombench and zombied were built into (default: they are built)")
)

// TestTortureInGuests runs the campaign that the flags describe in a guest for
// each kind of hierarchy that this machine has not.
func TestTortureInGuests(t *testing.T) {
	if !*guests {
		t.Skip("go test ./bench/torture -guests -torture 100 does the same in guests")
	}
	dir, err := kernels.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cached, err := debian.Cached(dir)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := (&kernels.Resolver{Dir: dir}).List(t.Context(), nil, []string{"amd64-newest"}, true)
	if err != nil {
		t.Skip("no amd64 kernel in the cache; zombench kernels fetch amd64-newest brings one: ", err)
	}
	k := cached[slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == newest[0].Name })]
	programs := t.TempDir()
	for _, args := range [][]string{{"build", "-o", programs + "/", "zombench/cmd/zombench", "zombench/cmd/zombied"}, {"test", "-c", "-o", programs + "/test", "zombench/bench/torture"}} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	accel := vm.TCG
	if vm.ProbeKVM(t.Context(), k.GOARCH) {
		accel = vm.KVM
	}
	for _, kind := range []string{"v2", "hybrid"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			*seed = max(*seed, 1)
			files, err := vm.GuestFiles(filepath.Join(programs, "test"),
				guest.Config{Args: []string{"/bin/test", "-test.v", "-test.run=^TestTorture$", "-test.timeout=0", "-guest", "-bin=/bin", "-kind=" + kind,
					"-torture=" + strconv.Itoa(*rounds), "-for=" + length.String(), "-seed=" + strconv.FormatUint(*seed, 10), "-within=" + within.String(), "-round=" + strconv.Itoa(*only)}},
				initramfs.File{Path: "/bin/test", Link: "/init"},
				initramfs.File{Path: "/bin/true", Data: labtest.TrueELF(), Mode: 0o755},
				initramfs.File{Path: "/bin/zombench", Source: filepath.Join(programs, "zombench"), Mode: 0o755},
				initramfs.File{Path: "/bin/zombied", Source: filepath.Join(programs, "zombied"), Mode: 0o755})
			if err != nil {
				t.Fatal(err)
			}
			res, err := vm.Boot(context.Background(), vm.Config{Kernel: k, Files: files, Accel: accel, CPUs: 2, Memory: 1536, Timeout: *length + 5*60e9})
			if res != nil {
				keep(t, kind, string(res.Stdout))
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, res.Stderr)
			}
		})
	}
}

// keep logs what a guest's test has printed, and records its rounds.
func keep(t *testing.T, kind, out string) {
	t.Helper()
	t.Log(out)
	if *recordFile == os.DevNull {
		return
	}
	record, err := os.Create(*recordFile + "." + kind)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	fmt.Fprintf(record, "# seed %d\n", *seed)
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		if _, line, ok := strings.Cut(lines.Text(), "go:"); ok && strings.Contains(line, "\tafter ") {
			_, line, _ = strings.Cut(line, ": ")
			fmt.Fprintln(record, line)
		}
	}
}

// mountHybrid gives the pids controller a hierarchy of version 1 and leaves
// memory with version 2.
func mountHybrid() error {
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("-pids"), 0); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/pids", 0o755); err != nil {
		return err
	}
	return unix.Mount("pids", "/run/pids", "cgroup", 0, "pids")
}
