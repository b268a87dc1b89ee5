package report

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"zombench/results"
	"zombench/results/stats"
)

// summary is the summary of the only group of a lab.
func summary(t testing.TB, l lab) Summary {
	t.Helper()
	return report(t, loadLabs(t, []lab{l}), Query{}).Summaries[0]
}

// The estimate must find what the lab put in: 10 400 B a zombie, from which
// 400 kB of used-up slabs are missing whatever the count.
func TestEstimate(t *testing.T) {
	l := labs()["usual"][0]
	slope := summary(t, l)
	e, _ := slope.Estimate(results.UnitSUnreclaim)
	if e.OneCount || e.Lo > 10400 || e.Hi < 10400 || e.Hi-e.Lo > 20 || math.Abs(e.Intercept+4e5) > 2e4 || !e.AboveNoise() {
		t.Errorf("%+v", e)
	}
	// control: a single difference does not find it, and says what it is
	l.counts = []int{1000}
	one := summary(t, l)
	e, _ = one.Estimate(results.UnitSUnreclaim)
	if !e.OneCount || math.Abs(e.PerZombie-10000) > 20 {
		t.Errorf("%+v", e)
	}
	if text := strings.Join(one.Facts(), "\n"); strings.Count(text, "one count only: not a slope") != 2 || strings.Contains(text, "Theil") {
		t.Error(text)
	}
	if text := strings.Join(slope.Facts(), "\n"); strings.Contains(text, "one count only") || strings.Count(text, "Theil-Sen slope") != 2 {
		t.Error(text)
	}
}

func TestBrokenTrialsDoNotCount(t *testing.T) {
	l := labs()["usual"][0]
	clean := summary(t, l)
	spoil := func(broken string) Summary {
		l.change = func(i int, trial *results.Trial) {
			if i%2 == 1 {
				trial.Broken = broken
				trial.Values[0].Value *= 100
				trial.N, trial.Ends.Exited = 2*trial.N, 0
			}
		}
		return summary(t, l)
	}
	a, _ := clean.Estimate(results.UnitKmem)
	left := spoil("why")
	b, _ := left.Estimate(results.UnitKmem)
	if math.Abs(a.PerZombie-b.PerZombie) > 5 || b.Trials != 30 || left.BrokenTrials != 30 || left.Ends.Exited != left.Spawned {
		t.Errorf("%+v %+v", b, left)
	}
	// control: the same trials, not marked
	counted := spoil("")
	if c, _ := counted.Estimate(results.UnitKmem); math.Abs(a.PerZombie-c.PerZombie) < 5 || c.Trials != 60 || counted.Ends.Exited == counted.Spawned {
		t.Errorf("%+v %+v", c, counted)
	}
}

var numbers = regexp.MustCompile(`[0-9.]+ [KM]?i?B\b`)

func TestBelowTheNoiseFloor(t *testing.T) {
	l := lab{config: config618(), spawn: "exec", counts: []int{500, 1000, 2000}, parallel: []int{1},
		samples: 10, slab: 40, noise: 1e6}
	print := func() string {
		r := report(t, loadLabs(t, []lab{l}), Query{})
		_, table, _ := strings.Cut(render(t, r.Doc(), Text), "What one zombie holds")
		return r.Summaries[0].Sentence() + table
	}
	if text := print(); numbers.MatchString(text) || !strings.Contains(text, "below") {
		t.Errorf("noise looks like a measurement: %s", text)
	}
	l.slab = 1e5 // control
	if text := print(); !numbers.MatchString(text) || strings.Contains(text, "below") {
		t.Errorf("a measurement looks like noise: %s", text)
	}
}

func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		s    stats.Summary
		want string
	}{
		{stats.Summary{Trials: 2}, "how the children ended was not recorded"},
		{stats.Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: results.Ends{Known: true, Signals: 0, Exited: 500, Killed: 0, Dumped: 0}}, "0 signals sent to children, all exited by themselves"},
		{stats.Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: results.Ends{Known: true, Signals: 1, Exited: 499, Killed: 1, Dumped: 0}}, "1 signal sent to children, 1 was killed and 499 of 500 exited by themselves"},
		{stats.Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: results.Ends{Known: true, Signals: 0, Exited: 495, Killed: 3, Dumped: 2}}, "0 signals sent to children, 3 were killed, 2 were killed and dumped core and 495 of 500 exited by themselves"},
		{stats.Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: results.Ends{Known: true, Signals: 0, Exited: 499, Killed: 0, Dumped: 0}}, "0 signals sent to children, 499 of 500 exited by themselves and 1 was not seen to end"},
		{stats.Summary{Trials: 3, EndsKnown: 2, Spawned: 500, Ends: results.Ends{Known: true, Signals: 0, Exited: 500, Killed: 0, Dumped: 0}}, "0 signals sent to children, all exited by themselves (known for 2 of 3 trials)"},
		{stats.Summary{Trials: 1, EndsKnown: 1, Spawned: 500, Ends: results.Ends{Known: true, Signals: 0, Exited: 0, Killed: 0, Dumped: 0}}, "0 signals sent to children, no child was seen to end"},
	} {
		if got := (Summary{Summary: tt.s}).endsClause(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// An answer from trials with warnings says so itself.
func TestWarnedSentence(t *testing.T) {
	l := labs()["usual"][0]
	sentence := func(every int) string {
		l.change = func(i int, t *results.Trial) {
			if i%every == 0 {
				t.Warnings = []string{"something forked meanwhile"}
			}
		}
		return summary(t, l).Sentence()
	}
	if s := sentence(1); !strings.HasSuffix(s, "; 60 of 60 trials have warnings.") {
		t.Error(s)
	}
	if s := sentence(2); strings.Contains(s, "warnings") { // control: half of them
		t.Error(s)
	}
}

func TestPer(t *testing.T) {
	set := loadLabs(t, labs()["usual"])
	usual, one := report(t, set, Query{}), report(t, set, Query{Per: 1})
	for i, row := range usual.Tables[0].Rows {
		a, b := row.Cells[results.UnitKmem], one.Tables[0].Rows[i].Cells["kmem-B/zombie"]
		if a.Center != b.Center*1000 || a.Lo != b.Lo*1000 || a.PctRangeString() != b.PctRangeString() || a.Center == 0 {
			t.Errorf("%+v %+v", a, b)
		}
		if a, b := row.Cells["sec/zombie"], one.Tables[0].Rows[i].Cells["sec/zombie"]; a.Center != b.Center || a.N != 10 {
			t.Errorf("%+v %+v", a, b)
		}
	}
	for per, want := range map[int]string{
		0:       "1000 zombies hold 9.9 MiB of kernel slab on Linux 6.18.44/amd64, 9.2 MiB charged to their cgroup;",
		1:       "1 zombie holds 10.2 KiB of kernel slab on Linux 6.18.44/amd64, 9.4 KiB charged to its cgroup;",
		1000000: "1000000 zombies hold 9.7 GiB of kernel slab on Linux 6.18.44/amd64, 8.9 GiB charged to their cgroup;",
	} {
		if got := report(t, set, Query{Per: per}).Summaries[0].Sentence(); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %s", per, got)
		}
	}
}

// The sentence claims kernel slab only where it can be: what was charged lies in
// slabs.
func TestHiddenSlab(t *testing.T) {
	hidden := summary(t, labs()["hidden"][0])
	text := hidden.Sentence() + strings.Join(hidden.Facts(), "\n")
	for _, want := range []string{"hold at least 9.2 MiB of kernel memory", "grew by 3011 B a zombie, less than the 9602 B charged", "--count 4000,8000,16000", "quiet machine"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(hidden.Sentence(), "of kernel slab") {
		t.Error(hidden.Sentence())
	}
	// control
	usual := summary(t, labs()["usual"][0])
	if text := usual.Sentence() + strings.Join(usual.Facts(), "\n"); strings.Contains(text, "at least") || strings.Contains(text, "quiet") {
		t.Error(text)
	}
}
