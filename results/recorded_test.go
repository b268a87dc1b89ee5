package results_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zombench/results"
)

// recorded returns the committed runs.
func recorded(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("recorded/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded results (%v)", err)
	}
	return files
}

// guests keeps those that were measured in virtual machines.
func guests(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(recorded(t), func(f string) bool {
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
	for _, file := range recorded(t) {
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

// hasReadings reports whether a record has what all of them have: three readings
// of every counter and of one slab cache, of which the values are the differences.
func hasReadings(r results.Record) bool {
	if len(r.Readings) != 3 {
		return false
	}
	for i, when := range []string{"before", "after", "reaped"} {
		c, ok := r.Readings[i].Cache("task_struct")
		if r.Readings[i].When != when || len(r.Readings[i].Counters) != 8 || !ok || c.Slabs == 0 {
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
	for _, file := range guests(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\n# kernel image of ", "SHA-256 ", "\n# QEMU emulator version ", ", CPU model "} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s does not say %q", file, strings.TrimSpace(want))
			}
		}
		if bytes.Contains(b, []byte(results.UnitTime)) {
			t.Errorf("%s holds times, which mean nothing under emulation", file)
		}
	}
}

// TestRecordedSlope checks that the kernel memory charged for a zombie does not
// depend on how it is estimated: the median at each count, and the slope over
// all counts, agree within 0.5 % on amd64.
func TestRecordedSlope(t *testing.T) {
	const tolerance = 0.005
	for _, file := range guests(t) {
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
		slope, err := results.TheilSen(x, y, 0.95)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for count, values := range each {
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
