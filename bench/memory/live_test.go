package memory

import (
	"context"
	"errors"
	"math"
	"syscall"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// moved returns by how much a counter grew between two readings of a trial.
func moved(t *testing.T, trial results.Trial, counter, from, to string) (float64, bool) {
	t.Helper()
	before, ok1 := trial.Reading(from)
	after, ok2 := trial.Reading(to)
	if !ok1 || !ok2 {
		t.Fatalf("%s: readings %v, want %s and %s among them", trial.Name(), trial.Readings, from, to)
	}
	was, ok1 := before.Counter(counter)
	is, ok2 := after.Counter(counter)
	return bench.Delta(was, is), ok1 && ok2
}

// one returns the one trial of a name, which has to be good.
func one(t *testing.T, trials []results.Trial, name string) results.Trial {
	t.Helper()
	var found []results.Trial
	for _, trial := range trials {
		if trial.Name() == name {
			found = append(found, trial)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d trials of %s in %v, want 1", len(found), name, trials)
	}
	if found[0].Broken != "" {
		t.Fatalf("%s: broken: %s", name, found[0].Broken)
	}
	return found[0]
}

func TestArmyOnThisKernel(t *testing.T) {
	const count = 300
	e := labtest.Set(t, Experiment(), map[string]string{"count": "300", "parallel": "4"})
	trials := labtest.Trials(t, e, "")
	army, control := one(t, trials, "Zombies/count=300/parallel=4/spawn=exec"), one(t, trials, "Control/parallel=4/spawn=exec")

	if grown, _ := moved(t, army, "pids", "before", "after"); grown != count {
		t.Errorf("pids.current grew by %v, want %d", grown, count)
	}
	if want := (results.Ends{Known: true, Exited: count}); army.Ends != want {
		t.Errorf("the children ended as %+v, want %+v", army.Ends, want)
	}
	if army.N != count || army.Control || !control.Control || control.N != 1 {
		t.Errorf("N %d, control %v; of the control %d, %v", army.N, army.Control, control.N, control.Control)
	}
	charged, ok := moved(t, army, "kmem-B", "before", "after")
	if !ok {
		t.Log("no kernel memory accounting here: the charge is not checked")
		return
	}
	// A zombie's task_struct alone has some kilobytes on every 64-bit kernel;
	// the exact figure is the benchmark's to find.
	if charged /= count; charged < 4096 || charged > 65536 {
		t.Errorf("%.0f B charged for each zombie", charged)
	}
	if kmem, _ := army.Value(results.UnitKmem); math.Abs(kmem-1000*charged) > 1 {
		t.Errorf("%s is %v, and its readings make %v of it", results.UnitKmem, kmem, 1000*charged)
	}
}

// Without an army nothing moves.
func TestControlOnThisKernel(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"parallel": "4"})
	control := one(t, labtest.Trials(t, e, "Control"), "Control/parallel=4/spawn=exec")
	if grown, _ := moved(t, control, "pids", "before", "after"); grown != 0 {
		t.Errorf("pids.current grew by %v without an army", grown)
	}
	// Broken says if it moved by more than is explained; the value says by how much.
	drift, ok := moved(t, control, "kmem-B", "before", "after")
	if value, has := control.Value("kmem-B"); has != ok || value != drift {
		t.Errorf("kmem-B is %v, %v, and by the readings %v, %v", value, has, drift, ok)
	}
}

// What the cgroup is charged is what the objects in /proc/slabinfo add up to.
// That file counts the whole system, of which nobody has the army alone. But how
// many objects a zombie has is a whole number, and they come with the army and go
// with it: of what others do, so much in one cache, both ways, is none of.
func TestChargeIsTheSumOfTheObjects(t *testing.T) {
	const count = 4000 // others would have to have half as many objects
	e := labtest.Set(t, Experiment(), map[string]string{"count": "4000", "parallel": "1", "spawn": "clone"})
	r, rec := labtest.Runner(t, e)
	r.Match = "Zombies"
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	army := one(t, rec.Trials, "Zombies/count=4000/parallel=1/spawn=clone")
	charged, ok1 := moved(t, army, "kmem-B", "before", "after")
	predicted, ok2 := army.Value(results.UnitPredicted)
	if !ok1 || !ok2 {
		t.Skip("needs the cgroup's kernel memory and /proc/slabinfo")
	}
	var whole, plain float64 // bytes of the army
	for _, c := range rec.Caches {
		came, went := grown(army, c.Name, "before", "after"), -grown(army, c.Name, "after", "reaped")
		each := float64(c.Size + 8) // memcg keeps a pointer for each object
		switch {
		case c.Charged == results.No:
			continue
		case came >= count/2:
			plain += came * each
		}
		whole += count * math.Round(max(0, min(came, went)/count)) * each
	}
	if math.Abs(charged/whole-1) > 0.005 {
		t.Errorf("%.0f B are charged, and the objects add up to %.0f B; %+v", charged, whole, army.Readings)
	}
	// The prediction itself can be made from the record alone.
	if math.Abs(predicted*count/1000/plain-1) > 1e-9 {
		t.Errorf("predicted are %v B, and by the readings %v B; %+v", predicted*count/1000, plain, army.Readings)
	}
}

// grown returns how many objects a slab cache gained between two readings.
func grown(trial results.Trial, cache, from, to string) float64 {
	before, _ := trial.Reading(from)
	after, _ := trial.Reading(to)
	was, _ := before.Cache(cache)
	is, _ := after.Cache(cache)
	return bench.Delta(was.Objects, is.Objects)
}

// An army within a container's container is one like any other, and the inits
// of its namespaces are not counted.
func TestArmyInPidNamespaces(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"count": "100", "parallel": "2", "spawn": "clone", "pidns": "0,2"})
	trials, _, err := labtest.TryTrials(t, t.Context(), e, "Zombies", nil)
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("pid namespaces are not permitted here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, levels := range []string{"0", "2"} {
		army := one(t, trials, "Zombies/count=100/parallel=2/spawn=clone/pidns="+levels)
		if want := (results.Ends{Known: true, Exited: 100}); army.Ends != want {
			t.Errorf("%s levels: ends %+v, want %+v", levels, army.Ends, want)
		}
		if grown, _ := moved(t, army, "pids", "before", "after"); grown != 100 {
			t.Errorf("%s levels: pids.current grew by %v, want 100", levels, grown)
		}
	}
}

// A trial that is given up leaves nothing, and no record.
func TestInterruptedTrialLeavesNothing(t *testing.T) {
	for _, at := range []string{"starting zombied", "settling: before", "raising", "settling: after", "reaping", "settling: reaped"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			e := labtest.Set(t, Experiment(), map[string]string{"count": "200", "parallel": "4"})
			reached := false
			trials, tally, err := labtest.TryTrials(t, ctx, e, "Zombies", func(what string) {
				if what == at {
					reached = true
					cancel()
				}
			})
			if !reached {
				t.Fatalf("no trial was ever at that (error %v)", err)
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want that the context ended", err)
			}
			if len(trials) != 0 || tally.Done() != 0 {
				t.Errorf("recorded %v, tally %+v; want nothing", trials, tally)
			}
		})
	}
}
