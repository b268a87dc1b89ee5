package drag

import (
	"errors"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/measure"
)

// Each actor has a control, and beside each size of army it acts once.
func TestSetups(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"count": "500,700"})
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * len(actors()); len(setups) != want {
		t.Errorf("%d setups, want %d", len(setups), want)
	}
	controls := make(map[string]int)
	for _, s := range setups {
		if s.Control {
			controls[s.Group]++
			if s.Army.Zombies > 1 {
				t.Errorf("%s is a control and raises %d zombies", s.Name(), s.Army.Zombies)
			}
		}
		if s.About == "" {
			t.Errorf("%s says nothing of itself", s.Name())
		}
	}
	for _, a := range actors() {
		if controls[a.name] != 1 {
			t.Errorf("%s has %d controls", a.name, controls[a.name])
		}
	}
	if _, err := labtest.Set(t, Experiment(), map[string]string{"count": ""}).Setups(); err == nil {
		t.Error("an empty list of counts is accepted")
	} else if field, ok := errors.AsType[*bench.FieldError](err); !ok || field.Field != "count" {
		t.Errorf("error %v names no field", err)
	}
}

// What may freeze the machine for over a second is not done unasked, and says so.
func TestForce(t *testing.T) {
	refused := func(fields map[string]string) map[string]error {
		setups, err := labtest.Set(t, Experiment(), fields).Setups()
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]error)
		for _, s := range setups {
			for _, n := range s.Needs {
				if strings.HasPrefix(n.Name, "force") {
					all[s.Name()] = n.Check(nil)
					if !strings.Contains(s.About, "hold up every fork") {
						t.Errorf("%s does not say what it may do: %s", s.Name(), s.About)
					}
				}
			}
		}
		return all
	}
	if all := refused(nil); len(all) > 0 {
		t.Errorf("the default sizes need force: %v", all)
	}
	const name = "Drag/actor=parent-exit/count=1000000"
	all := refused(map[string]string{"count": "1000,1000000"})
	if err := all[name]; !errors.Is(err, measure.ErrNotPermitted) || !strings.Contains(err.Error(), "4s") {
		t.Errorf("%s: %v, want that it may take 4 s", name, err)
	}
	if _, ok := all["Drag/actor=nothing/count=1000000"]; ok {
		t.Error("doing nothing needs force")
	}
	for name, err := range refused(map[string]string{"count": "1000,1000000", "force": "true"}) {
		if err != nil {
			t.Errorf("%s with force: %v", name, err)
		}
	}
}

// A signal to all processes, or a new pid_max, is not for the namespace of the
// harness.
func TestNotHere(t *testing.T) {
	for _, name := range []string{"kill-all", "fork-near-pid-max"} {
		if _, _, err := prepare(order{Act: name}); err == nil || !strings.Contains(err.Error(), "a pid namespace of its own") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestProgramsRefuse(t *testing.T) {
	for _, args := range [][]string{nil, {"no order"}, {`{"act":"dance"}`}, {"{}", "{}"}} {
		if err := actAsTold(args); err == nil {
			t.Errorf("an actor accepts %q", args)
		}
	}
	for _, args := range [][]string{nil, {"first"}} {
		if err := standBy(args); err == nil {
			t.Errorf("bystanders accept %q", args)
		}
	}
}
