package torture

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest"
	"zombench/bench/labtest/guests"
	"zombench/bench/vm/initramfs"
)

var (
	inGuests = flag.Bool("guests", false, "torture in guests, where cgroups are version 2, and hybrid")
	kind     = flag.String("kind", "", "in a guest: how its cgroups are mounted, v2 or hybrid")
	bin      = flag.String("bin", "", "directory that zombench and zombied were built into (default: they are built)")
)

// TestTortureInGuests runs the campaign that the flags describe in a guest for
// each kind of hierarchy that this machine has not.
func TestTortureInGuests(t *testing.T) {
	if !*inGuests {
		t.Skip("go test ./bench/torture -guests -torture 100 does the same in guests")
	}
	k := guests.Kernels(t, "")[0]
	init := guests.Test(t, "zombench/bench/torture")
	zombench, zombied := guests.Program(t, "zombench/cmd/zombench"), guests.Program(t, "zombench/cmd/zombied")
	for _, kind := range []string{"v2", "hybrid"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			*seed = max(*seed, 1)
			out, err := guests.Boot(t, k, 1536, *length+5*time.Minute, init,
				[]string{init.Path, "-test.v", "-test.run=^TestTorture$", "-test.timeout=0", "-guest", "-bin=/bin", "-kind=" + kind,
					"-torture=" + strconv.Itoa(*rounds), "-for=" + length.String(), "-seed=" + strconv.FormatUint(*seed, 10), "-within=" + within.String(), "-round=" + strconv.Itoa(*only)},
				initramfs.File{Path: "/bin/true", Data: labtest.TrueELF(), Mode: 0o755}, zombench, zombied)
			keep(t, kind, out)
			if err != nil {
				t.Fatal(err)
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
