package memory

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench"
	"zombench/bench/labtest"
	"zombench/results"
)

// setups returns the setups of the experiment with some fields set.
func setups(t *testing.T, fields map[string]string) []bench.Setup {
	t.Helper()
	e := labtest.Set(t, Experiment(), fields)
	setups, err := e.Setups()
	if err != nil {
		t.Fatal(err)
	}
	return setups
}

// Every size goes with every number of threads, way of spawning and depth, and
// each of these has a control of its own in its group.
func TestSetups(t *testing.T) {
	groups := make(map[string][]string)
	for _, s := range setups(t, map[string]string{"count": "500,1000", "parallel": "1,50", "spawn": "exec,clone"}) {
		if s.Control != (s.Bench == results.Control) || s.Control != (s.Army.Zombies == 0) {
			t.Errorf("%s: control %v, %d zombies", s.Name(), s.Control, s.Army.Zombies)
		}
		groups[s.Group] = append(groups[s.Group], s.Name())
	}
	want := make(map[string][]string)
	for _, kind := range []string{"/parallel=1/spawn=exec", "/parallel=50/spawn=exec", "/parallel=1/spawn=clone", "/parallel=50/spawn=clone"} {
		want[kind] = []string{"Control" + kind, "Zombies/count=500" + kind, "Zombies/count=1000" + kind}
	}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("setups by group (-want +got):\n%s", diff)
	}
}

// Names tell of pid namespaces only where the plan varies them.
func TestPidNamespaces(t *testing.T) {
	tasks := make(map[string]int)
	for _, s := range setups(t, map[string]string{"count": "500", "parallel": "1", "pidns": "0,2"}) {
		tasks[s.Name()] = s.Army.Tasks
	}
	want := map[string]int{ // the spawner thread, and the inits' room
		"Zombies/count=500/parallel=1/spawn=exec/pidns=0": 1, "Control/parallel=1/spawn=exec/pidns=0": 1,
		"Zombies/count=500/parallel=1/spawn=exec/pidns=2": 1 + 2*initTasks, "Control/parallel=1/spawn=exec/pidns=2": 1 + 2*initTasks,
	}
	if diff := cmp.Diff(want, tasks); diff != "" {
		t.Errorf("tasks besides the zombies (-want +got):\n%s", diff)
	}
}

// Dresses are instead of ways of spawning, and names tell of them.
func TestDresses(t *testing.T) {
	var names []string
	for _, s := range setups(t, map[string]string{"count": "500", "parallel": "1", "dress": "setsid,userns+groups=3"}) {
		names = append(names, s.Name())
		if !s.Control && !strings.Contains(s.About, "dressed zombies") {
			t.Errorf("%s is about %s", s.Name(), s.About)
		}
	}
	want := []string{
		"Control/parallel=1/spawn=clone/dress=setsid", "Zombies/count=500/parallel=1/spawn=clone/dress=setsid",
		"Control/parallel=1/spawn=clone/dress=userns+groups=3", "Zombies/count=500/parallel=1/spawn=clone/dress=userns+groups=3",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("setups (-want +got):\n%s", diff)
	}
}

// What is asked of the limits: os-exec keeps a descriptor for each zombie.
func TestArmies(t *testing.T) {
	armies := make(map[string]bench.Army)
	for _, s := range setups(t, map[string]string{"count": "500", "parallel": "50", "spawn": "exec,os-exec"}) {
		armies[s.Name()] = s.Army
	}
	want := map[string]bench.Army{
		"Control/parallel=50/spawn=exec":              {Tasks: 50, Spawn: "exec"},
		"Control/parallel=50/spawn=os-exec":           {Tasks: 50, Spawn: "os-exec"},
		"Zombies/count=500/parallel=50/spawn=exec":    {Zombies: 500, Tasks: 50, Spawn: "exec"},
		"Zombies/count=500/parallel=50/spawn=os-exec": {Zombies: 500, Tasks: 50, Spawn: "os-exec", Descriptors: 500},
	}
	if diff := cmp.Diff(want, armies); diff != "" {
		t.Errorf("armies (-want +got):\n%s", diff)
	}
}

// What makes no sense is refused: one value by its field as it is set, an empty
// list when the setups are asked for, by the name of the field.
func TestFields(t *testing.T) {
	for _, tt := range []struct{ field, value, want string }{
		{"count", "500,1000", ""},
		{"count", "0", "0 is out of range: want 1 to 4194304"},
		{"count", "5,-1", "-1 is out of range: want 1 to 4194304"},
		{"count", "4194305", "4194305 is out of range: want 1 to 4194304"},
		{"count", "5,5", "5 is given twice"},
		{"count", "many", `"many" is not a whole number`},
		{"parallel", "0", "0 is out of range: want 1 to 1024"},
		{"parallel", "1025", "1025 is out of range: want 1 to 1024"},
		{"spawn", "nope", `unknown value "nope": want exec, os-exec, clone`},
		{"pidns", "-1", "-1 is out of range: want 0 to 31"},
		{"pidns", "32", "32 is out of range: want 0 to 31"},
		{"pidns", "1,1", "1 is given twice"},
	} {
		var err error
		for _, f := range Experiment().Fields {
			if f.Name == tt.field {
				err = f.Value.Set(tt.value)
			}
		}
		if got := message(err); got != tt.want {
			t.Errorf("%s %q: error %q, want %q", tt.field, tt.value, got, tt.want)
		}
	}
	for _, field := range []string{"count", "parallel", "spawn"} {
		e := labtest.Set(t, Experiment(), map[string]string{field: ""})
		_, err := e.Setups()
		if wrong, ok := errors.AsType[*bench.FieldError](err); !ok || wrong.Field != field || !strings.Contains(message(err), "the list is empty") {
			t.Errorf("%s: error %v, want one of the field", field, err)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
