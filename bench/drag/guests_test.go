package drag

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/guests"
	"zombench/bench/vm"
	"zombench/results"
)

// pairs are acts that one kernel does in steps over an army and a later one does
// not, or holds everybody up for less.
var pairs = []struct {
	act, unit     string
	before, after string  // series of kernels
	counts        string  // large enough for the slope to stand out of what emulation does
	atLeast       float64 // ratio of the slopes; 0: both grow, and that is all
	why           string
}{
	{"wait-last", UnitAct, "5.10", "6.1", "1000,2000,4000", 10, "5449162ac001, Linux 5.13: wait4 of one pid looks at that child alone"},
	{"cgroup-procs", UnitAct, "6.1", "6.12", "1000,2000,4000", 10, "Linux 6.11 on: dead tasks leave the lists that cgroup.procs walks"},
	{"parent-exit", fork + unitLongest, "6.12", "7.3", "4000,10000,20000", 0, "all walk the list of children under tasklist_lock; the shorter holds of 6.15 do not show"},
}

var inGuests = flag.Bool("guests", false, "measure pairs of kernels in guests")

// What the kernel's history says of who walks over zombies is so. Guests of one
// host are compared with each other and with nobody else.
func TestPairsOfKernels(t *testing.T) {
	if !*inGuests {
		t.Skip("takes a quarter of an hour; go test -guests does it")
	}
	for _, p := range pairs {
		t.Run(p.act, func(t *testing.T) {
			before := slopeUnder(t, p.before, p.act, p.unit, p.counts)
			after := slopeUnder(t, p.after, p.act, p.unit, p.counts)
			t.Logf("%s of %s: %.1f ns a zombie before, %.1f after (%s)", p.unit, p.act, before, after, p.why)
			if before <= 0 || after*p.atLeast > before || p.atLeast == 0 && after <= 0 {
				t.Errorf("want %v times as much before", p.atLeast)
			}
		})
	}
}

// slopeUnder measures an act under the newest kernel of a series that was fetched.
func slopeUnder(t *testing.T, series, act, unit, counts string) float64 {
	t.Helper()
	var seen points
	for _, r := range under(t, newest(t, series), Bench+"/actor="+act+"$", counts, "6") {
		if v, ok := r.Value(unit); ok && !r.Control && r.Broken == "" {
			seen.add(r.N, v)
		}
	}
	if n := len(seen.ns); n < 10 {
		t.Fatalf("%d trials under %s", n, series)
	}
	return seen.slope(t).Slope
}

// Every actor acts under cgroup version 2 too, where there is cgroup.kill.
func TestActorsUnderCgroup2(t *testing.T) {
	if !*inGuests {
		t.Skip("takes minutes; go test -guests does it")
	}
	seen := make(map[string]int)
	for _, r := range under(t, newest(t, "7"), Bench, "300", "1") {
		t.Log(r.Name(), r.Values, r.Broken)
		if r.Broken == "" {
			seen[r.Param("actor")]++
		}
	}
	for _, a := range actors() {
		want := 2
		if a.name == "ps" || a.name == "cgroup-tasks" { // no such program, no such file
			want = 0
		}
		if seen[a.name] != want {
			t.Errorf("%s: %d good trials, want %d", a.name, seen[a.name], want)
		}
	}
}

// newest returns the newest kernel of a series that was fetched.
func newest(t *testing.T, series string) vm.Kernel { t.Helper(); return guests.Kernels(t, series)[0] }

// under runs setups of the experiment in a guest.
func under(t *testing.T, k vm.Kernel, pattern, counts, samples string) []results.Record {
	t.Helper()
	set, errs := results.Read(strings.NewReader(boot(t, k, "guest", pattern, counts, samples)), k.Name)
	for _, err := range errs {
		t.Fatal(err)
	}
	return set.Records
}

// boot boots a kernel with one of the programs in testdata as its init, which
// runs it with these arguments, and returns what it prints.
func boot(t *testing.T, k vm.Kernel, program string, args ...string) string {
	t.Helper()
	init := guests.Program(t, "./testdata/"+program)
	out, err := guests.Boot(t, k, 1024, 5*time.Minute, init, append([]string{init.Path}, args...), guests.Program(t, "zombench/cmd/zombied"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Signals to a zombie were queued once. Who removes its cgroup never has to wait;
// but on some kernels who removes that of a dying init, which waits for a zombie to be
// reaped by the same process, hangs.
func TestWhatKernelsDoToZombies(t *testing.T) {
	if !*inGuests {
		t.Skip("takes minutes; go test -guests does it")
	}
	const (
		ends  = "rmdir of a dying init returns before the reap: <nil>\n"
		hangs = "rmdir of a dying init hangs before the reap\nrmdir of a dying init returns after the reap: <nil>\n"
	)
	for _, tt := range []struct {
		series string
		queued bool
		rmdir  string
	}{
		{"5.10", true, ends}, {"6.1", false, ends}, {"6.12", false, ends},
		{"6.19.14", false, hangs}, {"7.0.7", false, hangs}, {"7.0.9", false, ends}, {"7.3", false, ends},
	} {
		t.Run(tt.series, func(t *testing.T) {
			want := fmt.Sprintf("signals to a zombie are queued: %v\nrmdir beside its zombie returns before the reap: <nil>\n%s", tt.queued, tt.rmdir)
			if got := boot(t, newest(t, tt.series), "zombie"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
