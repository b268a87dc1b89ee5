package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

// armies is an experiment of two kinds of armies in two sizes, each kind with a
// control.
func armies() Experiment {
	return Experiment{Name: "armies", Samples: 3, Setups: func() ([]Setup, error) {
		var setups []Setup
		for _, kind := range []string{"a", "b"} {
			of := results.Param{Key: "kind", Value: kind}
			setups = append(setups, Setup{Bench: "Nothing", Params: []results.Param{of}, Group: kind, Control: true})
			for _, size := range []string{"500", "1000"} {
				setups = append(setups, Setup{Bench: "Army", Params: []results.Param{{Key: "size", Value: size}, of}, Group: kind})
			}
		}
		return setups, nil
	}}
}

func names(setups []planned) (names []string) {
	for _, s := range setups {
		names = append(names, s.Name())
	}
	return names
}

func TestPlan(t *testing.T) {
	const all = 6
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"Army/size=500/kind=b", []string{"Nothing/kind=b", "Army/size=500/kind=b"}},
		{"Army/size=500", []string{"Nothing/kind=a", "Army/size=500/kind=a", "Nothing/kind=b", "Army/size=500/kind=b"}},
		{"Nothing", []string{"Nothing/kind=a", "Nothing/kind=b"}},
		{"Nothing/kind=b", []string{"Nothing/kind=b"}},
	} {
		got, err := plan([]Experiment{armies()}, tt.pattern, 0)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		if diff := cmp.Diff(tt.want, names(got)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.pattern, diff)
		}
	}
	got, err := plan([]Experiment{armies()}, "", 0)
	if err != nil || len(got) != all {
		t.Errorf("the empty pattern: %q, %v; want all %d", names(got), err, all)
	}
}

// Groups are an experiment's own.
func TestPlanOfTwoExperiments(t *testing.T) {
	other := Experiment{Name: "other", Samples: 7, Setups: func() ([]Setup, error) {
		return []Setup{{Bench: "Idle", Control: true, Group: "a"}, {Bench: "Busy", Group: "a"}}, nil
	}}
	got, err := plan([]Experiment{armies(), other}, "Army/size=500/kind=a", 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Nothing/kind=a", "Army/size=500/kind=a"}, names(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, samples := range []int{0, 2} {
		got, err := plan([]Experiment{armies(), other}, "", samples)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			want := samples
			if samples == 0 {
				want = s.experiment.Samples
			}
			if s.samples != want {
				t.Errorf("--samples %d: %s has %d, want %d", samples, s.Name(), s.samples, want)
			}
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	wrong := armies()
	wrong.Setups = func() ([]Setup, error) { return nil, FieldErrorf("count", "the list is empty") }
	for _, tt := range []struct {
		name       string
		experiment Experiment
		pattern    string
		want       string
	}{
		{"bad pattern", armies(), "(", `"(" is not a valid regular expression`},
		{"matches nothing", armies(), "Nobody", `"Nobody" matches no benchmark, such as Nothing/kind=a`},
		{"bad field", wrong, "", "armies: count: the list is empty"},
	} {
		_, err := plan([]Experiment{tt.experiment}, tt.pattern, 0)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", tt.name, err, tt.want)
		}
		if field, ok := errors.AsType[*FieldError](err); ok != (tt.name == "bad field") || ok && field.Field != "count" {
			t.Errorf("%s: the error names the field %+v", tt.name, field)
		}
		if errors.Is(err, ErrNothingMatches) != (tt.name == "matches nothing") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// planOf makes a plan of setups by name; * makes one Last, and a number before a
// name is its Times.
func planOf(samples int, all ...string) (setups []planned) {
	for _, name := range all {
		s := planned{samples: samples}
		if rest, ok := strings.CutPrefix(name, "*"); ok {
			name, s.Last = rest, true
		}
		if n, err := fmt.Sscanf(name, "%d%s", &s.Times, &s.Bench); n != 2 || err != nil {
			s.Times, s.Bench = 0, name
		}
		setups = append(setups, s)
	}
	return setups
}

func TestEveryRoundHoldsEverySetup(t *testing.T) {
	const samples = 5
	trials := names(schedule(planOf(samples, "a", "b", "3c"), 7))
	const round = 2 + 3
	if len(trials) != round*samples {
		t.Fatalf("%d trials, want %d", len(trials), round*samples)
	}
	for r := range samples {
		got := slices.Sorted(slices.Values(trials[r*round : (r+1)*round]))
		if diff := cmp.Diff([]string{"a", "b", "c", "c", "c"}, got); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", r, diff)
		}
	}
}

// A setup of fewer samples is in the first rounds.
func TestSetupsOfFewerSamples(t *testing.T) {
	trials := names(schedule(slices.Concat(planOf(4, "many"), planOf(1, "few")), 3))
	if len(trials) != 5 || !slices.Contains(trials[:2], "few") {
		t.Errorf("trials %q, want few once, in the first round", trials)
	}
}

func TestLastComesLast(t *testing.T) {
	trials := names(schedule(planOf(3, "*late", "a", "b"), 1))
	want := []string{"late", "late", "late"}
	if len(trials) != 9 || !slices.Equal(trials[6:], want) || slices.Contains(trials[:6], "late") {
		t.Errorf("trials %q, want late behind all others", trials)
	}
}

func TestOrderComesFromTheSeedAlone(t *testing.T) {
	setups := planOf(4, "a", "b", "c", "d", "*e", "*f")
	first := names(schedule(setups, 7))
	if diff := cmp.Diff(first, names(schedule(setups, 7))); diff != "" {
		t.Errorf("the same seed gives another order:\n%s", diff)
	}
	if slices.Equal(first, names(schedule(setups, 8))) {
		t.Error("another seed gives the same order")
	}
	rounds := make(map[string]bool)
	for i := 0; i < 16; i += 4 {
		rounds[strings.Join(first[i:i+4], "")] = true
	}
	if len(rounds) == 1 {
		t.Errorf("all rounds have the same order: %q", first)
	}
}
