package torture

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/bench/vm/guest"
	"zombench/measure"
)

var (
	rounds     = flag.Int("torture", 0, "interrupt this many runs; a record that has some goes on from there")
	length     = flag.Duration("for", 0, "begin no round after this time (0: none)")
	seed       = flag.Uint64("seed", 0, "seed of the campaign (0: from the record, or a random one)")
	recordFile = flag.String("record", os.DevNull, "file that a campaign is recorded in, one line a round")
	only       = flag.Int("round", 0, "repeat this round alone")
	within     = flag.Duration("within", 30*time.Second, "how long what a run leaves may take to go")
	inGuest    = flag.Bool("guest", false, "this machine is a guest, whose clock may be set")
)

// The test binary is also the init of guests, and who joins a run's cgroups.
func TestMain(m *testing.M) {
	if guest.IsInit() {
		guest.Main()
	}
	reexec.Dispatch(stranger, noise)
	os.Exit(machine.Run(m))
}

// A campaign is what all rounds share.
type campaign struct {
	seed              uint64
	dir               string // of the runs' own directories
	zombench, zombied string // paths
	place             *cgroup.Place
}

// TestTorture is a campaign: go test ./bench/torture -torture 100.
func TestTorture(t *testing.T) {
	if *rounds == 0 && *only == 0 {
		t.Skip("go test ./bench/torture -torture 100 interrupts a hundred runs")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: fresh cgroups, mount namespaces")
	}
	if *kind == "hybrid" {
		if err := mountHybrid(); err != nil {
			t.Fatal(err)
		}
	}
	c := campaign{seed: *seed, dir: t.TempDir()}
	var err error
	if c.place, err = cgroup.Find(measure.Host()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.place.Close(); err != nil {
			t.Error(err)
		}
	})
	c.zombench, c.zombied = build(t, "zombench"), build(t, "zombied")
	record, first := openRecord(t, &c.seed)
	last := *rounds
	if *only > 0 {
		first, last = *only, *only
	}
	start := time.Now()
	for n := first; n <= last && (*length == 0 || time.Since(start) < *length); n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			line := c.round(t, n)
			t.Log(line)
			if _, err := fmt.Fprintln(record, line); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// build builds one of our programs.
func build(t *testing.T, name string) string {
	t.Helper()
	if *bin != "" {
		return filepath.Join(*bin, name)
	}
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", path, "zombench/cmd/"+name).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return path
}

// openRecord opens the record and returns the first round that it lacks. The
// seed is the record's, if that has one.
func openRecord(t *testing.T, seed *uint64) (record *os.File, first int) {
	t.Helper()
	record, err := os.OpenFile(*recordFile, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { record.Close() })
	first = 1
	lines := bufio.NewScanner(record)
	for lines.Scan() {
		var s uint64
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "# seed %d", &s); err == nil {
			if *seed != 0 && *seed != s {
				t.Fatalf("%s is of seed %d", *recordFile, s)
			}
			*seed = s
		} else if _, err := fmt.Sscanf(lines.Text(), "%d ", &n); err == nil {
			first = n + 1
		}
	}
	if first == 1 {
		if *seed == 0 {
			*seed = rand.Uint64()
		}
		fmt.Fprintf(record, "# seed %d\n", *seed)
	}
	t.Logf("seed %d", *seed)
	return record, first
}

// round tortures one run and returns its line for the record.
func (c campaign) round(t *testing.T, n int) string {
	rng := rand.New(rand.NewPCG(c.seed, uint64(n)))
	able := slices.DeleteFunc(slices.Clone(workloads), func(w workload) bool { return !w.able() })
	w := able[rng.IntN(len(able))]
	// A sysctl is everybody's.
	if strings.Contains(w.args, "--raise-limits") {
		machine.Exclusive(t)
	} else {
		machine.Shared(t)
	}
	done := []fault{faults[rng.IntN(len(faults))]}
	if rng.IntN(3) == 0 {
		done = []fault{signals[rng.IntN(len(signals))], signals[rng.IntN(len(signals))]}
	}
	moment := time.Duration(rng.Int64N(int64(3 * time.Second)))

	before := now()
	r, err := c.newRun(w, n, rng)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Errorf("round %d: %v", n, err)
		}
	}()
	var names []string
	for _, f := range done {
		names = append(names, f.name)
		if f.prepare == nil {
			continue
		}
		if err := f.prepare(r); err != nil {
			t.Fatalf("round %d: %s: %v", n, f.name, err)
		}
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	r.endsWithin(moment)
	for _, f := range done {
		if f.inject == nil || !r.alive() {
			continue
		}
		if err := f.inject(r); err != nil {
			t.Errorf("round %d: %s: %v", n, f.name, err)
		}
	}
	r.endsWithin(time.Duration(rng.Int64N(int64(time.Second))))
	r.proceed()
	hung := r.interrupt(t, n)

	trials, wrong := r.trialsRecorded()
	r.relieve()
	by := "itself"
	took, left := r.clean(before)
	if len(left) > 0 && (r.anyKilled || slices.Contains(r.killed, harness) && slices.Contains(r.killed, janitor)) {
		by = "next run"
		if err := r.next(n); err != nil {
			wrong = append(wrong, err.Error())
		}
		took, left = r.clean(before)
	}
	wrong = append(append(wrong, hung...), left...)
	verdict := "ok"
	if len(wrong) > 0 {
		verdict = "WRONG: " + strings.Join(wrong, "; ")
		t.Errorf("round %d of seed %d: %s: %s after %v:\n%s\nit said: %s", n, c.seed, w.name, strings.Join(names, " and "), moment, strings.Join(wrong, "\n"), r.stderr())
	}
	return fmt.Sprintf("%d\t%s\t%s\tafter %.3fs\t%v\t%d trials\tclean after %.3fs by %s\t%s",
		n, w.name, strings.Join(names, " + "), moment.Seconds(), r.cmd.ProcessState, trials, took.Seconds(), by, verdict)
}

// endTime is how long a run may take to end: it waits 10 s for a stranger to leave
// the cgroup of a trial before it gives that up.
const endTime = 30 * time.Second

// interrupt ends a run that still goes on, as Ctrl-C does. One that does not
// heed it says where it hangs, and is killed.
func (r *run) interrupt(t *testing.T, n int) (wrong []string) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGKILL} {
		if err := r.cmd.Process.Signal(sig); errors.Is(err, os.ErrProcessDone) {
			break
		}
		if r.endsWithin(endTime) {
			break
		}
		wrong = append(wrong, fmt.Sprintf("the harness does not end on %s", unix.SignalName(sig)))
	}
	<-r.ended
	return wrong
}
