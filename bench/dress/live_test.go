package dress

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const some = 40 // zombies

// run runs one trial of each of some outfits and returns them by name.
func run(t *testing.T, outfits ...string) map[string]results.Trial {
	t.Helper()
	before := leftovers(t)
	e := labtest.Set(t, Experiment(), map[string]string{"dress": strings.Join(outfits, ","), "count": fmt.Sprint(some)})
	trials := make(map[string]results.Trial)
	for _, r := range labtest.Trials(t, e, "^"+Dress+"$") {
		if r.Broken != "" {
			t.Errorf("%s: broken: %s", r.Name(), r.Broken)
		}
		for _, w := range r.Warnings {
			t.Logf("%s: %s", r.Name(), w)
		}
		t.Log(r.Name(), r.Values)
		trials[r.Param("dress")] = r
	}
	if after := leftovers(t); after != before {
		t.Errorf("left behind: %s\nthere were: %s", after, before)
	}
	return trials
}

// leftovers says what is there of the things that could be left behind: keys of
// root, user namespaces' sysctls, cgroups of ours.
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
			found, _ := filepath.Glob(filepath.Join(h.Dir(), "zombench-*"))
			cgroups = append(cgroups, found...)
		}
	}
	return fmt.Sprint("keys ", keys, ", cgroups ", cgroups)
}

// extra returns what a dressed zombie held beyond a naked one.
func extra(t *testing.T, r results.Trial, unit string) float64 {
	t.Helper()
	v, ok := r.Value("extra-" + unit)
	if !ok && r.Name() != "" {
		t.Errorf("%s has no extra-%s", r.Name(), unit)
	}
	return v
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
	trials := run(t, "groups=1000", "pending=20")
	for outfit, want := range map[string]float64{
		"groups=1000": 4096 + pointer,
		"pending=20":  20 * float64(sigqueue+pointer),
		naked:         0,
	} {
		r, ok := trials[outfit]
		if !ok {
			t.Logf("%s was not run", outfit)
			continue
		}
		if _, ok := r.Value("extra-" + unitKmem); !ok {
			t.Skip("no kernel memory accounting here")
		}
		slack := max(want/100, 4*4096/float64(some)) // pages that each CPU keeps
		if got := extra(t, r, unitKmem); got < want-slack || got > want+slack {
			t.Errorf("%s: %.0f B charged, want %.0f", outfit, got, want)
		}
	}
}

// Every dress for real, beside its control: a naked army after a naked one.
func TestDresses(t *testing.T) {
	trials := run(t, defaults...)
	if _, ok := trials[naked]; !ok {
		t.Fatal("the control did not run")
	}
	for outfit, r := range trials {
		objects := extra(t, r, unitObjects)
		name, _, _ := strings.Cut(outfit, "=")
		switch d, _ := lookup(name); {
		case outfit == naked || d.cost == takenOff:
			if objects > 64 || objects < -64 {
				t.Errorf("%s: %+.0f B of objects a zombie, want none", outfit, objects)
			}
			if kmem := extra(t, r, unitKmem); kmem > 4*4096/float64(some) || kmem < -4*4096/float64(some) {
				t.Errorf("%s: %+.0f B charged a zombie, want none", outfit, kmem)
			}
		case name == "seccomp": // held or not, by kernel
		case objects < 64:
			t.Errorf("%s: %+.0f B of objects a zombie: it holds nothing", outfit, objects)
		}
		dying := extra(t, r, unitDying)
		if want := map[bool]float64{true: 1}[outfit == "grave"]; dying != want {
			t.Errorf("%s: %v dying cgroups a zombie, want %v", outfit, dying, want)
		}
	}
}

// One zombie of a user without privileges holds more than a thousand naked ones
// would in a common opinion.
func TestFattest(t *testing.T) {
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
