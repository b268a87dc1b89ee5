package torture

import (
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/results"
)

var noisy = flag.Int("noise", 0, "measure so many times beside a noise maker")

// noise is a program that does at random what disturbs a measurement of slab
// memory, until its standard input ends.
var noise = reexec.Program{Name: "zombench-torture-noise", Main: func([]string) int {
	go func() {
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	dir, err := os.MkdirTemp("", "zombench-noise-")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(dir)
	for {
		n := 1 + rand.IntN(400)
		switch rand.IntN(5) {
		case 0: // slab objects: sockets, with their files and inodes
			var fds []int
			for range n {
				if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); err == nil {
					fds = append(fds, fd)
				}
			}
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			for _, fd := range fds {
				unix.Close(fd)
			}
		case 1: // tasks
			for range n / 20 {
				_ = exec.Command("true").Run()
			}
		case 2: // mounts, in a namespace of our own
			if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m") == nil {
				for i := range n {
					_ = os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600)
				}
				_ = unix.Unmount(dir, unix.MNT_DETACH)
			}
		case 3: // dentries and inodes
			dirs, _ := filepath.Glob("/proc/[0-9]*")
			for _, d := range dirs[:min(n, len(dirs))] {
				_, _ = os.ReadFile(d + "/stat")
				_, _ = os.ReadFile(d + "/status")
			}
		case 4:
			time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		}
	}
}}

// How far a trial may be off that nothing is said of, as shares.
const (
	offKmem       = 0.005
	offSUnreclaim = 0.05
)

// A trial that is not flagged is right, whatever goes on beside it.
func TestNoise(t *testing.T) {
	if *noisy == 0 {
		t.Skip("go test ./bench/torture -noise 20 measures beside a noise maker")
	}
	machine.Exclusive(t)
	zombench, zombied := build(t, "zombench"), build(t, "zombied")
	measure := func(samples int) []results.Record {
		out := filepath.Join(t.TempDir(), "out.txt")
		cmd := exec.Command(zombench, "run", "-q", "--zombied", zombied, "--lock", filepath.Join(t.TempDir(), "lock"),
			"--count", "1000,2000", "--parallel", "1", "--spawn", "clone", "--samples", strconv.Itoa(samples), "-o", out)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		set, errs := results.Load(out)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return slices.DeleteFunc(set.Records, func(r results.Record) bool { return r.Control || r.Broken != "" })
	}
	quiet := measure(5)
	truth := func(name, unit string) float64 {
		var values []float64
		for _, r := range quiet {
			if v, ok := r.Value(unit); ok && r.Name() == name {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			t.Fatalf("no %s of %s", unit, name)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}

	maker := reexec.Command(noise.Name)
	maker.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	stop, err := maker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	all := measure(*noisy)
	stop.Close()
	if err := maker.Wait(); err != nil {
		t.Error(err)
	}

	flagged := 0
	worst := map[string]float64{}
	for _, r := range all {
		for unit, most := range map[string]float64{results.UnitKmem: offKmem, "sunreclaim-B/1000zombies": offSUnreclaim} {
			v, ok := r.Value(unit)
			off := math.Abs(v/truth(r.Name(), unit) - 1)
			switch {
			case !ok || len(r.Warnings) > 0:
				continue
			case off > most:
				t.Errorf("%s: %s is off by %.2f %%, and nothing is said of it", r.Name(), unit, 100*off)
			}
			worst[unit] = max(worst[unit], off)
		}
		flagged += min(1, len(r.Warnings))
	}
	t.Logf("%d good trials, %d of them flagged; of the others the worst were off by %.2f %% in kmem and %.2f %% in SUnreclaim",
		len(all), flagged, 100*worst[results.UnitKmem], 100*worst["sunreclaim-B/1000zombies"])
}
