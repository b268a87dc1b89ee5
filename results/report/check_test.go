package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"

	"zombench/results"
)

// pair reads two labs as the files old and new.
func pair(t *testing.T, old, new lab) *results.Set {
	t.Helper()
	set, errs := results.Read(bytes.NewReader(old.file(t)), "old")
	more, errs2 := results.Read(bytes.NewReader(new.file(t)), "new")
	if errs != nil || errs2 != nil {
		t.Fatal(errs, errs2)
	}
	set.Records = append(set.Records, more.Records...)
	return set
}

// scaled changes all values of a unit by a factor.
func (l lab) scaled(unit string, factor float64) lab {
	l.change = func(_ int, t *results.Trial) {
		for i, v := range t.Values {
			if v.Unit == unit {
				t.Values[i].Value *= factor
			}
		}
	}
	return l
}

func TestCheck(t *testing.T) {
	usual := labs()["usual"][0]
	for _, tt := range []struct {
		name       string
		new        lab
		q          Query
		limit      float64
		worse, all int
	}{
		{"the same", usual, Query{}, 0.03, 0, 24},
		{"worse", usual.scaled(results.UnitKmem, 1.05), Query{}, 0.03, 6, 24},
		{"within the limit", usual.scaled(results.UnitKmem, 1.05), Query{}, 0.06, 0, 24},
		{"better", usual.scaled(results.UnitKmem, 0.95), Query{}, 0.03, 0, 24},
		{"not asked for", usual.scaled(results.UnitKmem, 1.05), Query{Units: []string{"slab-B"}}, 0.03, 0, 6},
		{"some", usual.scaled(results.UnitKmem, 1.05), Query{Filter: "/count:500"}, 0.03, 2, 8},
		{"not judged", usual.scaled(results.UnitPids, 1.05), Query{}, 0.03, 0, 24},
		{"significant, however small", usual.scaled(results.UnitKmem, 1.01), Query{}, 0, 6, 24},
	} {
		v, err := Check(pair(t, usual, tt.new), tt.q, tt.limit)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(v.Worse) != tt.worse || v.Compared != tt.all {
			t.Errorf("%s: %d worse of %d, want %d of %d", tt.name, len(v.Worse), v.Compared, tt.worse, tt.all)
		}
	}

	// A large difference that chance explains is none.
	noisy := usual
	noisy.noise = 4e5
	wild := noisy.scaled(results.UnitSlab, 1.05)
	v, err := Check(pair(t, noisy, wild), Query{Units: []string{"slab-B"}, Filter: "/count:500"}, 0.001)
	if err != nil || len(v.Worse) > 0 {
		t.Errorf("%v %v", v, err)
	}

	better := pair(t, usual, usual.scaled(results.UnitKmem, 0.9))
	better.Units[unitKey(results.UnitKmem, "better")].Value = "higher"
	if v, err := Check(better, Query{}, 0.03); err != nil || len(v.Worse) != 6 {
		t.Errorf("less of what should be more: %v %v", v, err)
	}
}

func TestCheckVerdict(t *testing.T) {
	usual := labs()["usual"][0]
	usual.counts, usual.parallel = []int{1000}, []int{1}
	verdict := func(new lab, q Query, limit float64) string {
		v, err := Check(pair(t, usual, new), q, limit)
		if err != nil {
			t.Error(err)
		}
		return render(t, v.Doc(), Text)
	}
	got := verdict(usual.scaled(results.UnitKmem, 1.05), Query{}, 0.03)
	want := `1 of 4 comparisons worse by more than 3 %.

 worse               of                                      old        new  change      p   n
───────────────────────────────────────────────────────────────────────────────────────────────
 kmem-B/1000zombies  count=1000 parallel=1 spawn=exec  9.155 MiB  9.613 MiB  +5.00%  0.000  10

pids/zombie is not judged: its metadata does not say which direction is better
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := verdict(usual, Query{Units: []string{"kmem-B"}}, 0.005); got != "Nothing is significantly worse by more than 0.5 % (1 comparison).\n" {
		t.Error(got)
	}
}

// Passing must mean something.
func TestCheckCannotJudge(t *testing.T) {
	usual := labs()["usual"][0]
	with := func(change func(*lab)) lab {
		l := usual
		change(&l)
		return l
	}
	few := with(func(l *lab) { l.samples = 3 })
	machine := append([]results.Param{}, usual.config...)
	machine[3].Value = "another"
	for _, tt := range []struct {
		name string
		set  *results.Set
		q    Query
		want string
	}{
		{"one file", loadLabs(t, []lab{usual}), Query{}, "results of 1 file"},
		{"three samples", pair(t, few, few), Query{}, "too few samples in 24 of 24"},
		{"less measured", pair(t, usual, with(func(l *lab) { l.counts = []int{500, 1000} })), Query{}, "new lacks 8 cells of old, first kmem-B"},
		{"an instrument less", pair(t, usual, with(func(l *lab) { l.slab = 0 })), Query{}, "new lacks 12 cells of old, first slab-B"},
		{"nothing in common", pair(t, usual, with(func(l *lab) { l.spawn = "clone" })), Query{}, "lacks 24 cells"},
		{"nothing to judge", pair(t, usual, usual), Query{Units: []string{"pids"}}, "nothing in common"},
		{"times of two machines", pair(t, usual, with(func(l *lab) { l.config = machine })), Query{Units: []string{"sec"}}, "nothing in common"},
	} {
		v, err := Check(tt.set, tt.q, 0.03)
		if !errors.Is(err, ErrCannotJudge) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q (%v)", tt.name, err, tt.want, v)
		}
	}
	if _, err := Check(pair(t, usual, usual), Query{Filter: "("}, 0.03); !errors.As(err, new(*QueryError)) {
		t.Error(err)
	}
	// control: four samples can differ significantly, and what is certain stays so
	four := with(func(l *lab) { l.samples = 4 })
	if v, err := Check(pair(t, four, four.scaled(results.UnitKmem, 1.1)), Query{}, 0.03); err != nil || len(v.Worse) != 6 {
		t.Errorf("%v %v", v, err)
	}
	if v, err := Check(pair(t, usual, with(func(l *lab) { l.counts, l.kmem = []int{500}, 11000 })), Query{}, 0.03); err != nil || len(v.Worse) != 2 {
		t.Errorf("%v %v", v, err)
	}
}

func TestLeastP(t *testing.T) {
	for _, tt := range []struct {
		n1, n2 int
		want   float64
	}{{3, 3, 0.1}, {4, 4, 2. / 70}, {1, 10, 2. / 11}, {10, 10, 2. / 184756}} {
		if got := leastP(tt.n1, tt.n2); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%d and %d: %v, want %v", tt.n1, tt.n2, got, tt.want)
		}
	}
	if fmt.Sprint(worse(0, 1, -1, 0.5), worse(0, 1, 1, 0.5), worse(-10, -9, -1, 0.05), worse(10, 10.2, -1, 0.03)) != "true false true false" {
		t.Error("worse")
	}
}

func unitKey(unit, key string) benchfmt.UnitMetadataKey {
	return benchfmt.UnitMetadataKey{Unit: unit, Key: key}
}
