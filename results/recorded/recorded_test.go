package recorded

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zombench/results"
	"zombench/results/stats"
)

// all returns the committed runs.
func all(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded results (%v)", err)
	}
	return files
}

// guests keeps those that were measured in virtual machines.
func guests(t *testing.T, files []string) []string {
	t.Helper()
	return slices.DeleteFunc(files, func(f string) bool {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		return !bytes.Contains(b, []byte("\nvm: "))
	})
}

// TestRecordedIsWhole checks that what was recorded can be read and counts. Armies
// that do not may be there for one reason only: the kernel kept some of the charge.
// Those of ppc64le with pages of 64 KiB do on Linux 7.2.
func TestRecordedIsWhole(t *testing.T) {
	for _, file := range all(t) {
		set, errs := results.Load(file)
		for _, err := range errs {
			t.Error(err)
		}
		armies, leaks := 0, 0
		for _, r := range set.Records {
			if !hasReadings(r) {
				t.Errorf("%s:%d: readings are missing: %+v", r.File, r.Line, r.Readings)
			}
			switch {
			case r.Bench != results.Zombies:
			case strings.Contains(r.Broken, "a kernel leak"):
				leaks++
			case r.Broken != "":
				t.Errorf("%s:%d: broken: %s", r.File, r.Line, r.Broken)
			default:
				armies++
				if pids, ok := r.Value(results.UnitPids); ok && pids != 1 {
					t.Errorf("%s:%d: %v pids for each zombie", r.File, r.Line, pids)
				}
			}
		}
		if armies < 3 && leaks < 3 {
			t.Errorf("%s: %d armies count", file, armies)
		}
	}
}

// others returns the committed runs of other experiments, which are in directories
// of their names, and those of memory with options: they tell nobody what a zombie
// costs.
func others(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded results of other experiments (%v)", err)
	}
	return files
}

// TestOthersAreWhole checks that each can be read, explains itself, and counts. A small
// file may make up for trials of another that were broken, so those of one kernel count
// together.
func TestOthersAreWhole(t *testing.T) {
	type trials struct{ good, broken int }
	of := make(map[[2]string]*trials) // experiment and kernel
	for _, file := range others(t) {
		set, errs := results.Load(file)
		for _, err := range errs {
			t.Error(err)
		}
		good := 0
		for _, r := range set.Records {
			key := [2]string{filepath.Dir(file), results.Lookup(r.Config, "kernel")}
			if of[key] == nil {
				of[key] = new(trials)
			}
			if r.Broken != "" {
				of[key].broken++
				continue
			}
			good++
			of[key].good++
			if r.Facts.AboutBench(r.Name()) == "" {
				t.Errorf("%s:%d: nobody says what %s measures", r.File, r.Line, r.Name())
			}
			for _, v := range r.Values {
				// A control of memory speaks of the whole cgroup; what is of a zombie is explained.
				if r.Bench != results.Control && r.Facts.MeaningOf(v.Unit) == "" {
					t.Errorf("%s:%d: nobody says what %s means", r.File, r.Line, v.Unit)
				}
			}
		}
		if good == 0 {
			t.Errorf("%s: no trial counts", file)
		}
	}
	for key, n := range of {
		if 10*n.broken > n.good {
			t.Errorf("%q: %d trials count, %d are broken", key, n.good, n.broken)
		}
	}
}

// hasReadings reports whether a record has what all of them have: three readings
// of every counter and of one slab cache, of which the values are the differences.
func hasReadings(r results.Record) bool {
	if len(r.Readings) != 3 {
		return false
	}
	for i, when := range []string{"before", "after", "reaped"} {
		c, ok := r.Readings[i].Cache("task_struct")
		// A control's caches hardly move, and are left out then.
		if r.Readings[i].When != when || len(r.Readings[i].Counters) < 8 || !r.Control && (!ok || c.Slabs == 0) {
			return false
		}
	}
	before, _ := r.Readings[0].Counter("kmem-B")
	after, _ := r.Readings[1].Counter("kmem-B")
	grown := float64(after) - float64(before)
	if charge, ok := r.Value(results.UnitKmem); ok {
		return math.Abs(charge/1000*float64(r.N)-grown) < 1
	}
	charge, ok := r.Value("kmem-B")
	return ok && r.Control && charge == grown
}

// TestRecordedGuests checks that guests' files say what was booted, and are
// silent about time.
func TestRecordedGuests(t *testing.T) {
	for _, file := range guests(t, append(all(t), others(t)...)) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\n# kernel image of ", "SHA-256 ", "\n# QEMU emulator version ", ", CPU model "} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s does not say %q", file, strings.TrimSpace(want))
			}
		}
		if bytes.Contains(b, []byte(results.UnitTime)) || bytes.Contains(b, []byte("-ns ")) {
			t.Errorf("%s holds times, which mean nothing under emulation", file)
		}
	}
}

// TestRecordedSlope checks that the kernel memory charged for a zombie does not
// depend on how it is estimated: the median at each count, and the slope over
// all counts, agree within 0.5 % on amd64.
func TestRecordedSlope(t *testing.T) {
	const tolerance = 0.005
	for _, file := range guests(t, all(t)) {
		if !strings.HasPrefix(filepath.Base(file), "amd64-") {
			continue
		}
		set, errs := results.Load(file)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		each := make(map[int][]float64) // bytes for one zombie, by count
		var x, y []float64
		for _, r := range set.Records {
			v, ok := r.Value(results.UnitKmem)
			if r.Bench != results.Zombies || r.Broken != "" || !ok {
				continue
			}
			count, err := strconv.Atoi(r.Param("count"))
			if err != nil {
				t.Fatal(err)
			}
			each[count] = append(each[count], v/1000)
			x, y = append(x, float64(count)), append(y, v/1000*float64(count))
		}
		if len(each) < 3 {
			t.Errorf("%s: %d counts make no slope", file, len(each))
			continue
		}
		slope, err := stats.TheilSen(x, y, 0.95)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for count, values := range each {
			tolerance := tolerance
			if results.CompareReleases(strings.TrimPrefix(filepath.Base(file), "amd64-"), "5.13") < 0 {
				tolerance += 32 * 4096 / float64(count) / slope.Slope // steps of memory.stat
			}
			if d := off(values, slope.Slope); d > tolerance {
				t.Errorf("%s: %.0f B for each of %d zombies, the slope says %.0f B: %.2f %% apart", file, median(values), count, slope.Slope, 100*d)
			}
			if off(values, 1.02*slope.Slope) <= tolerance {
				t.Errorf("%s: the check would not see 2 %% at %d zombies", file, count)
			}
		}
	}
}

// off is by how much the median of values is off, relatively.
func off(values []float64, from float64) float64 { return math.Abs(median(values)/from - 1) }

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// resultFile writes a file of one system, whose zombies take so many bytes of
// pages and of charge; 0 is not measured.
func resultFile(t *testing.T, path, kernel, goarch, spawn string, pages, charge int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kernel: %s\ngoarch: %s\n\n", kernel, goarch)
	for _, n := range []int{100, 200, 300} {
		fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=1/spawn=%s %d", n, spawn, n)
		if pages > 0 {
			fmt.Fprintf(&b, " %d sunreclaim-B/1000zombies %[1]d slab-B/1000zombies", pages*1000)
		}
		if charge > 0 {
			fmt.Fprintf(&b, " %d kmem-B/1000zombies", charge*1000)
		}
		b.WriteByte('\n')
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err == nil {
		_, err = f.WriteString(b.String())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	here := System{"1.2.3-test", "amd64", 4096}
	const local = "results/local/1.2.3-test.txt"
	type file struct {
		path, kernel, goarch, spawn string
		pages, charge               int
	}
	for _, tt := range []struct {
		name          string
		files         []file
		from          string
		pages, charge uint64
		source        string // part of it
	}{
		{"measured here", []file{{local, "1.2.3-test", "amd64", "exec", 10000, 9000}}, "", 10000, 9000, "measured on Linux 1.2.3-test/amd64, spawn exec (" + local + ")"},
		{"named, of another kernel", []file{{"x.txt", "1.2.2", "arm64", "exec", 10000, 9000}}, "x.txt", 10000, 9000, "measured on Linux 1.2.2/arm64, spawn exec (x.txt); this is Linux 1.2.3-test/amd64"},
		{"named goes before local", []file{{local, "1.2.3-test", "amd64", "exec", 10001, 9000}, {"x.txt", "1.2.3-test", "amd64", "exec", 10000, 9000}}, "x.txt", 10000, 9000, "(x.txt)"},
		{"slab only", []file{{local, "1.2.3-test", "amd64", "exec", 10000, 0}}, "", 10000, 10000, "by slab pages alone"},
		{"charge only", []file{{local, "1.2.3-test", "amd64", "exec", 0, 9000}}, "", 9000, 9000, "by the charge alone"},
		{"slab grew by less than was charged", []file{{local, "1.2.3-test", "amd64", "exec", 8000, 9000}}, "", 9000, 9000, "slab grew by less"},
		{"a zombie alone says more than one with a pidfd", []file{{local, "1.2.3-test", "amd64", "os-exec", 12000, 11000}, {local, "1.2.3-test", "amd64", "clone", 10000, 9000}}, "", 10000, 9000, "clone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, f := range tt.files {
				resultFile(t, f.path, f.kernel, f.goarch, f.spawn, f.pages, f.charge)
			}
			c, err := Find(tt.from, local, here)
			if err != nil {
				t.Fatal(err)
			}
			if c.Pages != tt.pages || c.Charge != tt.charge || !c.Measured || !strings.Contains(c.Source, tt.source) {
				t.Errorf("got %+v, want %+v", c, tt)
			}
			if strings.Contains(c.String(), "nearest") {
				t.Errorf("it was measured, but it says %q", c)
			}
		})
	}
}

// What nobody has measured here is told from the nearest recorded kernel, the
// same in every directory, and that it is another one is said.
func TestFindRecorded(t *testing.T) {
	const local = "results/local/x.txt"
	dir := t.TempDir()
	t.Chdir(dir)
	for _, tt := range []struct {
		here     System
		file     string // that it is from
		measured bool
		source   string // part of it
	}{
		{System{"6.12.107+deb13-amd64", "amd64", 4096}, "amd64-6.12.107+deb13", true, ""},
		{System{"6.12.44-generic", "amd64", 4096}, "amd64-6.12.107+deb13", false, "; the nearest recorded kernel to this Linux 6.12.44-generic/amd64; zombench run -o " + local},
		{System{"6.11.0", "amd64", 4096}, "amd64-6.12.107+deb13", false, ""},
		{System{"5.15.0", "amd64", 0}, "amd64-5.10.0-30", false, ""},
		{System{"9.0", "amd64", 4096}, "amd64-7.3.4+deb13.txt", false, ""},
		{System{"7.3.4", "arm64", 4096}, "arm64-7.3.4+deb13.txt", false, ""},
		{System{"7.3.4", "arm64", 16384}, "arm64-7.3.4+deb13-16k", false, ""},
		{System{"6.11.0", "ppc64le", 65536}, "ppc64el-6.12.107+deb13-64k", false, ""},
		{System{"6.11.0", "ppc64le", 4096}, "ppc64el-7.2.13+deb14.txt", false, ""},
		{System{"6.12.107", "sparc64", 4096}, "mips64el-", false, "; the costliest recorded kernel, for nothing is recorded of the architecture of this Linux 6.12.107/sparc64"},
	} {
		c, err := Find("", local, tt.here)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(c.Source, "(results/recorded/"+tt.file) || c.Measured != tt.measured || !strings.Contains(c.Source, tt.source) || c.Pages < c.Charge || c.Charge < 4000 {
			t.Errorf("%s: %+v, want %s", tt.here, c, tt.file)
		}
		if said := strings.Contains(c.Source, "recorded kernel"); said == tt.measured {
			t.Errorf("measured %v, but it says %q", tt.measured, c)
		}
	}
	// A local file of another kernel is not used.
	resultFile(t, local, "1.2.2", "amd64", "exec", 12345, 12345)
	if c, err := Find("", local, System{"1.2.3", "amd64", 4096}); err != nil || c.Measured || c.Pages == 12345 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestFindBroken(t *testing.T) {
	here := System{"1.2.3-test", "amd64", 4096}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"broken.txt": "kernel: 1.2.3-test\n\nBenchmarkZombies/count=1/parallel=1/spawn=exec 1 x kmem-B/1000zombies\n",
		"empty.txt":  "no results\n",
		"reap.txt":   "BenchmarkReap 1 1 x\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"broken.txt", "nowhere.txt", "reap.txt"} {
		if _, err := Find(from, "", here); err == nil || !strings.Contains(err.Error(), from) {
			t.Errorf("%s: error %v", from, err)
		}
	}
	c, err := Find("", "empty.txt", here)
	if err != nil || c.Measured || !strings.Contains(c.Source, "empty.txt cannot be used") {
		t.Errorf("%+v, %v", c, err)
	}
}

// All that is recorded can be reported, and costs no more time than a command may
// take.
func TestLoad(t *testing.T) {
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(stats.Groups(stats.Setups(set.Records))); n != len(all(t)) {
		t.Errorf("%d systems in %d files", n, len(all(t)))
	}
}

// The one file that is read says what all of them would.
func TestAroundAsAll(t *testing.T) {
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	all := candidates(set, dir)
	systems := []System{{"5.15.3", "amd64", 4096}, {"6.11.0", "amd64", 0}, {"6.12.0", "arm64", 65536}, {"9.0", "ppc64le", 4096}, {"6.1", "sparc64", 8192}}
	for _, c := range all {
		systems = append(systems, c.System)
	}
	for _, here := range systems {
		some, err := around(here)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := nearest(some, here), nearest(all, here); got != want {
			t.Errorf("%v: %+v, of all files %+v", here, got, want)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, err := Find("", "none", System{"6.11.0", "amd64", 4096}); err != nil {
			b.Fatal(err)
		}
	}
}
