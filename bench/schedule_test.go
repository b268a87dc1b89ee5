package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

// experiment makes one of benchmarks named A/x=1 and the like; those named by
// control are controls, and all whose first element is the same are a group.
func experiment(name string, samples int, benchmarks ...string) Experiment {
	return Experiment{Name: name, Samples: samples, Setups: func() (setups []Setup, err error) {
		for _, b := range benchmarks {
			b, control := strings.CutPrefix(b, "control ")
			bench, rest, _ := strings.Cut(b, "/")
			s := Setup{Bench: bench, Group: bench, Control: control}
			for _, p := range strings.Split(rest, "/") {
				if key, value, ok := strings.Cut(p, "="); ok {
					s.Params = append(s.Params, results.Param{Key: key, Value: value})
				}
			}
			setups = append(setups, s)
		}
		return setups, nil
	}}
}

var (
	armies = experiment("armies", 3, "Z/count=500/by=1", "Z/count=1000/by=1", "Z/count=500/by=50", "Z/count=1000/by=50", "control Z/none=1")
	others = experiment("others", 2, "O/way=a", "O/way=b")
)

func names(setups []planned) (all []string) {
	for _, s := range setups {
		all = append(all, s.Name())
	}
	return all
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"", []string{"Z/count=500/by=1", "Z/count=1000/by=1", "Z/count=500/by=50", "Z/count=1000/by=50", "Z/none=1", "O/way=a", "O/way=b"}},
		{"Z/count=1000", []string{"Z/count=1000/by=1", "Z/count=1000/by=50", "Z/none=1"}},
		{"/500$/by=(1|2)$", []string{"Z/count=500/by=1", "Z/none=1"}},
		{"Z/count=500/by=[1/]$", []string{"Z/count=500/by=1", "Z/none=1"}},
		{"/none", []string{"Z/none=1"}}, // a control alone
		{"O", []string{"O/way=a", "O/way=b"}},
	} {
		got, err := plan([]Experiment{armies, others}, tt.pattern, 0)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
		}
		if diff := cmp.Diff(tt.want, names(got)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.pattern, diff)
		}
	}
	for pattern, want := range map[string]string{"Nothing": `matches no benchmark, such as Z/count=500/by=1`, "(": "no regular expression", "Z/././.": "matches no benchmark"} {
		if _, err := plan([]Experiment{armies, others}, pattern, 0); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", pattern, err, want)
		}
	}
	wrong := Experiment{Name: "wrong", Setups: func() ([]Setup, error) { return nil, FieldErrorf("count", "too many") }}
	_, err := plan([]Experiment{wrong}, "", 0)
	if field, ok := errors.AsType[*FieldError](err); !ok || field.Field != "count" {
		t.Errorf("%v, want the field", err)
	}
}

// Every round holds each setup once that has samples left, of all experiments.
func TestRoundsInterleaveExperiments(t *testing.T) {
	setups, err := plan([]Experiment{armies, others}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	trials := names(schedule(setups, 7))
	if len(trials) != 5*3+2*2 {
		t.Fatalf("%d trials, want 19", len(trials))
	}
	for round, want := range []int{7, 7, 5} {
		seen := make(map[string]bool)
		for _, name := range trials[7*round:][:want] {
			seen[name] = true
		}
		if len(seen) != want {
			t.Errorf("round %d holds %d different setups, want %d", round, len(seen), want)
		}
	}
	if again := names(schedule(setups, 7)); !cmp.Equal(trials, again) {
		t.Error("the same seed gives another order")
	}
	if other := names(schedule(setups, 8)); cmp.Equal(trials, other) {
		t.Error("another seed gives the same order")
	}
	if one, err := plan([]Experiment{armies, others}, "", 1); err != nil || len(schedule(one, 7)) != 7 {
		t.Errorf("with one sample each: %v, %d trials", err, len(schedule(one, 7)))
	}
}

func TestTimesAndLast(t *testing.T) {
	e := experiment("e", 2, "A/x=1", "B/x=1", "C/x=1")
	setups, err := plan([]Experiment{e}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	setups[0].Last, setups[1].Times = true, 3
	order := strings.Join(names(schedule(setups, 1)), " ")
	if got := strings.Count(order, "B/x=1"); got != 6 {
		t.Errorf("B has %d trials, want 3 in each of 2 rounds: %s", got, order)
	}
	if !strings.HasSuffix(order, "A/x=1 A/x=1") || strings.Count(order, "A/x=1") != 2 {
		t.Errorf("A is to be last: %s", order)
	}
}

func FuzzSplitPattern(f *testing.F) {
	for _, s := range []string{"", "/", "a/b", "[/]", "(a/b)/c", `\/`, `[\]/]`, "(", ")", "["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if got := strings.Join(splitPattern(pattern), "/"); got != pattern {
			t.Errorf("the parts of %q join to %q", pattern, got)
		}
	})
}

func TestFields(t *testing.T) {
	var n int
	var list []int
	var words []string
	var on bool
	for _, tt := range []struct {
		value Value
		text  string
		want  string // what it is then, or the beginning of the error
		ok    bool
	}{
		{Int(&n, 1, 10), "5", "5", true},
		{Int(&n, 1, 10), "0", "0 is out of range: want 1 to 10", false},
		{Int(&n, 1, 10), "11", "11 is out of range", false},
		{Int(&n, 1, 10), "99999999999999999999", "99999999999999999999 is out of range", false},
		{Int(&n, 1, 10), "many", `"many" is not a whole number`, false},
		{Ints(&list, 1, 10), "5,7", "5,7", true},
		{Ints(&list, 1, 10), "5,5", "5 is given twice", false},
		{Ints(&list, 1, 10), "5,", `"" is not a whole number`, false},
		{Ints(&list, 1, 10), "", "", true},
		{Words(&words, "a", "b"), "b,a", "b,a", true},
		{Words(&words, "a", "b"), "c", `unknown value "c": want a, b`, false},
		{Bool(&on), "true", "true", true},
		{Bool(&on), "perhaps", `"perhaps" is neither`, false},
	} {
		err := tt.value.Set(tt.text)
		got := tt.value.String()
		if err != nil {
			got = err.Error()
		}
		if (err == nil) != tt.ok || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %q: %s, want %s", tt.value.Type(), tt.text, got, tt.want)
		}
	}
	if got := fmt.Sprint(FieldErrorf("count", "is %d", 1)); got != "count: is 1" {
		t.Error(got)
	}
}
