package watched

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"zombench/bench/labtest"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m, Experiment().Programs...) }

// Whoever looks is charged for what that makes, the zombies are not, and nobody's
// looks make nothing.
func TestWatchersOnThisKernel(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"count": "400", "looks": "2"})
	labtest.Each(t, e, "", func(t *testing.T, r results.Trial) {
		objects := labtest.Value(t, r, UnitObjects)
		if by := r.Param("by"); (by == nobody) != r.Control {
			t.Errorf("by %s: control is %v", by, r.Control)
		}
		if looked := objects > 1; looked == r.Control {
			t.Errorf("%v objects a zombie", objects)
		}
		if took := labtest.Value(t, r, UnitFirst); took <= 0 {
			t.Errorf("the first look took %v ns", took)
		}
		army, ok := r.Value(UnitArmy)
		if !ok {
			t.Log("no kernel memory accounting here: charges are not checked")
			return
		}
		if math.Abs(army) > 100 {
			t.Errorf("%v B a zombie are charged to the army by looks of others", army)
		}
		if charged := labtest.Value(t, r, UnitLooker); (charged > 300) == r.Control {
			t.Errorf("%v B a zombie are charged to who looks", charged)
		}
	})
}

func TestReadProc(t *testing.T) {
	proc := t.TempDir()
	for _, dir := range []string{"1", "22", "sys"} {
		if err := os.Mkdir(filepath.Join(proc, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(proc, "1", "stat"), 0o755); err != nil { // cannot be read
		t.Fatal(err)
	}
	if err := readProc(proc, false); err != nil {
		t.Errorf("entries alone: %v", err)
	}
	if err := readProc(proc, true); err == nil {
		t.Error("stat of process 1 cannot be read, and nobody says so")
	}
	if err := os.Remove(filepath.Join(proc, "1", "stat")); err != nil {
		t.Fatal(err)
	}
	if err := readProc(proc, true); err != nil {
		t.Errorf("processes that have gone: %v", err)
	}
}
