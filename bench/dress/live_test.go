package dress

import (
	"errors"
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

// tries is how often a trial is repeated that came out otherwise than it should.
// What tells of the whole system sees everybody in it, so a trial in which
// anything else moved proves nothing; one that agrees does, as no chance makes
// the difference of two armies come out right.
const tries = 6

// A trial is a result with what is known of its slab caches.
type trial struct {
	results.Trial
	caches []results.Cache
}

// objects returns how many objects of a cache each dressed zombie holds beyond a
// naked one. The cache may go by another name, with which it was merged.
func (r trial) objects(cache string) float64 {
	for _, c := range r.caches {
		if slices.Contains(c.Aliases, cache) {
			cache = c.Name
			break
		}
	}
	gain := func(army string) float64 {
		i := slices.IndexFunc(r.Readings, func(m results.Reading) bool { return m.When == army })
		at := func(i int) float64 { c, _ := r.Readings[i].Cache(cache); return float64(c.Objects) }
		return at(i) - (at(i-1)+at(i+1))/2
	}
	return (gain("dressed") - gain(naked)) / float64(r.N)
}

// run runs a trial of each outfit until a check accepts it, and at most some
// times; a naked army after a naked one is a trial among them. What cannot be had
// here is left out. Nothing may be left behind.
func run(t *testing.T, count int, outfits []string, check func(outfit string, r trial) error) {
	t.Helper()
	before := leftovers(t)
	errs := map[string]error{naked: errors.New("the control did not run")}
	for try, want := 0, outfits; try < tries && len(want) > 0; try++ {
		runner, rec := labtest.Runner(t, labtest.Set(t, Experiment(), map[string]string{"dress": strings.Join(want, ","), "count": fmt.Sprint(count)}))
		runner.Match = "^" + Dress + "$"
		tally, err := runner.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range tally.Skipped {
			t.Logf("%s: %v", s.Name, s.Err)
		}
		for _, r := range rec.Trials {
			outfit := r.Param("dress")
			if err, known := errs[outfit]; known && err == nil {
				continue
			}
			t.Log(r.Name(), r.Values, r.Warnings)
			if r.Broken != "" {
				errs[outfit] = errors.New("broken: " + r.Broken)
			} else {
				errs[outfit] = check(outfit, trial{r, rec.Caches})
			}
			if errs[outfit] != nil {
				t.Logf("%s: %v", outfit, errs[outfit])
			}
		}
		want = nil
		for outfit, err := range errs {
			if err != nil && outfit != naked {
				want = append(want, outfit)
			}
		}
		if len(want) == 0 && errs[naked] != nil {
			want = outfits[:1] // for the control, which goes with it
		}
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
	run(t, count, []string{"groups=1000", "pending=20"}, func(outfit string, r trial) error {
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

// evidence is how it shows that a zombie holds a dress: so many objects of a cache
// of which nobody else takes them by the hundred, or, of what has none of its own,
// so many bytes at least that the army's own cgroup is charged. The rest of the
// system may do what it likes. Seccomp and io_uring are held or not, and charged or
// not, by kernel.
var evidence = map[string]struct {
	cache   string
	objects float64
	charge  float64
}{
	"setsid":      {cache: "task_group", objects: 1},
	"threads":     {cache: "taskstats", objects: 1},
	"groups=1000": {charge: 4000},
	"keyring":     {cache: "key_jar", objects: 1},
	"userns":      {cache: "user_namespace", objects: 1, charge: 600},
	"pidns":       {cache: "pid_namespace", objects: 1, charge: 300},
	"pending=20":  {cache: "sigqueue", objects: 20, charge: 1600},
	"landlock":    {charge: 150},
	"cgroup":      {charge: 2000},
	"grave":       {charge: 2000},
	"oom":         {cache: "mm_struct", objects: 1, charge: 2000},
	// What is taken off leaves no object.
	"netns": {cache: "net_namespace"}, "mntns": {cache: "mnt_cache"}, "timer": {cache: "posix_timers_cache"}, "perf": {cache: "perf_event"},
}

// together are all dresses, those that do not hide each other in one trial.
var together = []string{
	"setsid+threads+groups=1000+keyring+pending=20", "userns+pidns+landlock+seccomp=16+uring", "cgroup", "grave", "oom",
	"files=1000+rss=64M+netns+mntns+timer+perf",
}

// Every dress for real: what is held shows while the zombies are there, and what
// the kernel takes off at the end of a process, or what nobody put on, does not.
func TestDresses(t *testing.T) {
	const count = 100
	const pages = 4 * 4096.0 / count // the pages that each CPU keeps back, a zombie
	run(t, count, together, func(outfit string, r trial) error {
		charged, accounted := r.Value("extra-" + unitKmem)
		nothing, least := true, 0.0
		objects := map[string]float64{"task_group": 0, "taskstats": 0, "key_jar": 0}
		for _, word := range strings.Split(outfit, "+") {
			d, known := lookup(word)
			nothing = nothing && (!known || d.cost == takenOff)
			least += evidence[word].charge
			if cache := evidence[word].cache; cache != "" {
				objects[cache] = evidence[word].objects
			}
		}
		switch {
		case accounted && charged < least-pages:
			return fmt.Errorf("%+.0f B charged a zombie, want %.0f", charged, least)
		case accounted && nothing && math.Abs(charged) > pages:
			return fmt.Errorf("%+.0f B charged a zombie, want none", charged)
		}
		for cache, want := range objects {
			if got := r.objects(cache); (want > 0 || nothing) && math.Abs(got-want) > 0.5+want/10 { // a slab that a CPU has for itself counts as full
				return fmt.Errorf("%.2f objects of %s a zombie, want %v", got, cache, want)
			}
		}
		dying, known := r.Value("extra-" + unitDying)
		if want := map[bool]float64{true: 1}[outfit == "grave"]; known && math.Abs(dying-want) > 0.25 { // version 1 counts those of everybody
			return fmt.Errorf("%v dying cgroups a zombie, want %v", dying, want)
		}
		return nil
	})
}

// Each dress that there is on this architecture is among them.
func TestTogether(t *testing.T) {
	words := strings.Split(strings.Join(together, "+"), "+")
	for _, outfit := range defaults {
		if !slices.Contains(words, outfit) && outfit != "sve=256" {
			t.Errorf("%s is not tested", outfit)
		}
	}
}

// One zombie of a user without privileges holds more than a thousand naked ones
// would in a common opinion.
func TestFattest(t *testing.T) {
	labtest.Each(t, Experiment(), "^"+Fattest+"$", func(t *testing.T, r results.Trial) {
		if kmem, ok := r.Value(unitKmem); ok && kmem < 1<<20 {
			t.Errorf("%.0f B charged", kmem)
		}
	})
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
	labtest.Each(t, Experiment(), "^"+Exhaust+"$", func(t *testing.T, r results.Trial) {
		if n := labtest.Value(t, r, unitAtEDQUOT); n < 10 {
			t.Errorf("met at %v zombies", n)
		}
	})
	// The control: more of root's zombies can have one, who has more keys.
	e := labtest.Set(t, Experiment(), map[string]string{"dress": "keyring", "count": "300"})
	for _, r := range labtest.Trials(t, e, "^"+Dress+"/dress=keyring") {
		if strings.Contains(r.Broken, "disk quota") {
			t.Errorf("root too: %s", r.Broken)
		}
	}
}
