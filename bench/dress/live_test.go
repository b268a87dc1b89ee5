package dress

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// all asks for the tests of every dress: minutes, on a quiet machine.
var all = flag.Bool("dresses", false, "test every dress, which takes minutes on a quiet machine")

func needsAll(t *testing.T) {
	t.Helper()
	if !*all {
		t.Skip("takes minutes on a quiet machine: go test ./bench/dress -dresses")
	}
}

// some is how many zombies a test raises.
const some = 40

// tries is how often a trial is repeated that came out otherwise than it should.
// What tells of the whole system sees everybody in it, so a trial in which
// anything else moved proves nothing; one that agrees does, as no chance makes
// the difference of two armies come out right.
const tries = 6

// run runs a trial of each outfit until a check accepts it, and at most some
// times; a naked army after a naked one is a trial among them. Nothing may be left
// behind.
func run(t *testing.T, count int, outfits []string, check func(outfit string, r results.Trial) error) {
	t.Helper()
	before := leftovers(t)
	errs := map[string]error{}
	want := outfits
	for range tries {
		e := labtest.Set(t, Experiment(), map[string]string{"dress": strings.Join(want, ","), "count": fmt.Sprint(count)})
		for _, r := range labtest.Trials(t, e, "^"+Dress+"$") {
			outfit := r.Param("dress")
			if err, known := errs[outfit]; known && err == nil {
				continue
			}
			t.Log(r.Name(), r.Values, r.Warnings)
			errs[outfit] = check(outfit, r)
			if r.Broken != "" {
				errs[outfit] = errors.New("broken: " + r.Broken)
			}
		}
		want = nil
		for outfit, err := range errs {
			if err != nil && outfit != naked {
				want = append(want, outfit)
			}
		}
		if len(want) == 0 && errs[naked] == nil {
			break
		}
		if len(want) == 0 {
			want = outfits[:1] // for the control, which goes with it
		}
	}
	if _, ok := errs[naked]; !ok {
		t.Error("the control did not run")
	}
	for outfit, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", outfit, err)
		}
	}
	// Keys are collected a moment later.
	after := ""
	for range 100 {
		if after = leftovers(t); after == before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("left behind: %s\nthere were: %s", after, before)
}

// leftovers says what is there of what this process could leave behind: keys of
// root, and cgroups.
func leftovers(t *testing.T) string {
	t.Helper()
	keys := ""
	if data, err := os.ReadFile("/proc/key-users"); err == nil {
		for line := range strings.Lines(string(data)) {
			if who, rest, _ := strings.Cut(strings.TrimSpace(line), ":"); who == "0" {
				keys = strings.Fields(rest)[1] // those that are instantiated, and all
			}
		}
	}
	var cgroups []string
	membership, err := measure.Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, controller := range []string{"pids", "memory"} {
		if h, err := membership.Controller(controller); err == nil {
			found, _ := filepath.Glob(filepath.Join(h.Dir(), fmt.Sprintf("zombench-%d-*", os.Getpid())))
			cgroups = append(cgroups, found...)
		}
	}
	return fmt.Sprint("keys ", keys, ", cgroups ", cgroups)
}

// What the method must find, since the kernel's structures say it: 1000 groups
// are a group_info of 4008 bytes, in an object of 4096 (kmalloc) with memcg's
// pointer; a queued signal is an object of sigqueue with another.
func TestKnownSizes(t *testing.T) {
	slab, err := measure.Host().Slabinfo()
	if err != nil {
		t.Skip(err)
	}
	sigqueue := uint64(80)
	if line, ok := slab.Lookup("sigqueue"); ok {
		sigqueue = line.ObjSize
	}
	const pointer = 8 // of memcg, an object
	want := map[string]float64{
		naked:         0,
		"groups=1000": 4096 + pointer,
		"pending=20":  20 * float64(sigqueue+pointer),
	}
	const count = 500 // an army that makes 1 % of it more than the pages that each CPU keeps back
	run(t, count, []string{"groups=1000", "pending=20"}, func(outfit string, r results.Trial) error {
		got, ok := r.Value("extra-" + unitKmem)
		if !ok {
			t.Skip("no kernel memory accounting here")
		}
		if slack := max(want[outfit]/100, 16); math.Abs(got-want[outfit]) > slack {
			return fmt.Errorf("%.1f B charged, want %.0f", got, want[outfit])
		}
		return nil
	})
}

// split returns the default outfits that are held, and those that the kernel
// takes off.
func split() (held, off []string) {
	for _, outfit := range defaults {
		if d, _ := lookup(outfit); d.cost == takenOff {
			off = append(off, outfit)
		} else {
			held = append(held, outfit)
		}
	}
	return held, off
}

// checkDying checks that graves are dying cgroups while the zombies are there,
// and nothing else is; version 1 counts those of everybody.
func checkDying(outfit string, r results.Trial) error {
	dying, _ := r.Value("extra-" + unitDying)
	if want := map[bool]float64{true: 1}[outfit == "grave"]; math.Abs(dying-want) > 0.25 {
		return fmt.Errorf("%v dying cgroups a zombie, want %v", dying, want)
	}
	return nil
}

// pages is what two armies of some may differ by in charge, a zombie: the pages
// that each CPU keeps back.
const pages = 4 * 4096.0 / some

// Every dress for real holds something.
func TestDresses(t *testing.T) {
	needsAll(t)
	held, _ := split()
	run(t, some, held, func(outfit string, r results.Trial) error {
		objects, _ := r.Value("extra-" + unitObjects)
		kmem, _ := r.Value("extra-" + unitKmem)
		d, _ := lookup(outfit)
		switch {
		case d.name == "seccomp": // held or not, by kernel
		case outfit == naked && math.Abs(kmem) > pages:
			return fmt.Errorf("%+.0f B charged a naked zombie, want none", kmem)
		case outfit != naked && kmem < 250 && objects < 64:
			return fmt.Errorf("%+.0f B of objects and %+.0f B charged a zombie: it holds nothing", objects, kmem)
		}
		return checkDying(outfit, r)
	})
}

// What the kernel takes off at the end of a process is not held, neither charged
// nor otherwise. What is not charged is only to be seen in the whole system's
// caches: there the middle of some trials counts, beside what a naked army after a
// naked one shows.
func TestControls(t *testing.T) {
	needsAll(t)
	_, off := split()
	const rounds = 4
	objects := make(map[string][]float64)
	for range rounds {
		run(t, some, off, func(outfit string, r results.Trial) error {
			v, _ := r.Value("extra-" + unitObjects)
			objects[outfit] = append(objects[outfit], v)
			if kmem, _ := r.Value("extra-" + unitKmem); math.Abs(kmem) > pages {
				return fmt.Errorf("%+.0f B charged a zombie, want none", kmem)
			}
			return checkDying(outfit, r)
		})
	}
	noise := 64.0
	for _, v := range objects[naked] {
		noise = max(noise, math.Abs(v))
	}
	for outfit, seen := range objects {
		slices.Sort(seen)
		if middle := seen[len(seen)/2]; math.Abs(middle) > 2*noise {
			t.Errorf("%s: %+.0f B of objects a zombie (%.0f); naked ones differ by %.0f", outfit, middle, seen, noise)
		}
	}
}

// One zombie of a user without privileges holds more than a thousand naked ones
// would in a common opinion.
func TestFattest(t *testing.T) {
	needsAll(t)
	for _, r := range labtest.Trials(t, Experiment(), "^"+Fattest+"$") {
		t.Log(r.Name(), r.Values, r.Notes, r.Warnings)
		if r.Broken != "" {
			t.Fatalf("broken: %s", r.Broken)
		}
		if kmem, ok := r.Value(unitKmem); ok && kmem < 1<<20 {
			t.Errorf("%.0f B charged", kmem)
		}
	}
}

// A dress that cannot be had is skipped with its reason, and is no failure.
func TestWhatCannotBeHadIsNamed(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"dress": "groups=3,userns+groups=3", "count": "3"})
	trials, tally, err := labtest.TryTrials(t, t.Context(), e, "^"+Dress+"$", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(tally.Skipped) != 1 || !strings.Contains(tally.Skipped[0].Err.Error(), "dress userns,groups=3: operation not permitted") {
		t.Errorf("skipped %+v", tally.Skipped)
	}
	if len(trials) != 2 {
		t.Errorf("%d trials, want the control and groups=3", len(trials))
	}
}

// A limit of the user's is met at exactly the number that package limits
// predicts, and another user does not meet it.
func TestExhaust(t *testing.T) {
	for _, r := range labtest.Trials(t, Experiment(), "^"+Exhaust+"$") {
		t.Log(r.Name(), r.Values, r.Notes)
		if r.Broken != "" {
			t.Errorf("broken: %s", r.Broken)
		}
		if n, _ := r.Value(unitAtEDQUOT); n < 10 {
			t.Errorf("met at %v zombies", n)
		}
	}
	// The control: more of root's zombies can have one, who has more keys.
	e := labtest.Set(t, Experiment(), map[string]string{"dress": "keyring", "count": "300"})
	for _, r := range labtest.Trials(t, e, "^"+Dress+"/dress=keyring") {
		if strings.Contains(r.Broken, "disk quota") {
			t.Errorf("root too: %s", r.Broken)
		}
	}
}
