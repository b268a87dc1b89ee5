package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

const otherBenchmarks = `kernel: 6.18.0
Unit zombies-peak assume=exact
# about Reap: how an army goes
# about Reap/method=wait: the parent waits for each child
# about Reap/method=default: nobody waits
# about WaitOrder: the textbook's parent
# unit zombies-peak: the most zombies at a time

# control BenchmarkControl/of=Reap/method=default/count=500/parallel=4 1 500 zombies-left
BenchmarkReap/method=ignore/count=500/parallel=4 500 4 zombies-peak 4096 kept-B
BenchmarkReap/method=wait/count=500/parallel=4 500 500 zombies-peak 5000 ns/zombie 5e+07 kmem-ns 0 kept-B
BenchmarkReap/method=wait/count=500/parallel=4 500 500 zombies-peak 7000 ns/zombie 5e+07 kmem-ns -8192 kept-B
# broken: the cat sat on it: BenchmarkReap/method=wait/count=500/parallel=4 500 1 zombies-peak 9 ns/zombie
BenchmarkWaitOrder/order=fixed/children=10/step=100ms 10 45.01 zombie-steps
# noisy: loud
BenchmarkAdopt/adopter=init/count=5 5 12 ns/child 6 adopted
BenchmarkStanding/what=army/count=500 500 0 cpu-ns 0 user-B
BenchmarkToy 7 3 x
`

func readOthers(t *testing.T, more string) *results.Set {
	t.Helper()
	set, errs := results.Read(strings.NewReader(otherBenchmarks+more), "file")
	if errs != nil {
		t.Fatal(errs)
	}
	return set
}

// Benchmarks that nothing is known of are reported by what their file says.
func TestOtherBenchmarks(t *testing.T) {
	r := report(t, readOthers(t, ""), Query{})
	squeeze := func(s string) (lines []string) {
		for line := range strings.Lines(s) {
			if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(line, "──") {
				lines = append(lines, strings.Join(words, " "))
			}
		}
		return lines
	}
	want := []string{
		"8 trials of Reap, WaitOrder, Adopt, Standing and Toy on Linux 6.18.0, 1 of them broken, and 1 control.",
		"Reap",
		"method what n zombies-peak kept-B sec kmem-sec zombies-left flags",
		"ignore how an army goes 1 4 4.000 KiB ± ∞ - - -",
		"wait the parent waits for each child 2 500 -4.000 KiB ± ∞ 6.000 µs ± ∞ 50.00 ms ± ∞ - 1 broken",
		"default control: nobody waits 1 - - - - 500 ± ∞",
		"sec per zombie; median ± 95 % interval of n trials; all with count 500, parallel 4",
		"zombies-peak: the most zombies at a time",
		"need >= 6 samples for confidence interval at level 0.95",
		"WaitOrder",
		"the textbook's parent",
		"order n zombie-steps",
		"fixed 1 45.010 ± ∞",
		"median ± 95 % interval of n trials; all with children 10, step 100ms",
		"need >= 6 samples for confidence interval at level 0.95",
		"Adopt",
		"adopter n sec/child adopted flags",
		"init 1 12.00 ns ± ∞ 6 ± ∞ 1 with warnings",
		"median ± 95 % interval of n trials; all with count 5",
		"need >= 6 samples for confidence interval at level 0.95",
		"Standing",
		"what n cpu-sec user-B",
		"army 1 0 s ± ∞ 0 B ± ∞",
		"median ± 95 % interval of n trials; all with count 500",
		"need >= 6 samples for confidence interval at level 0.95",
		"Toy",
		"n x",
		"1 3 ± ∞",
		"median ± 95 % interval of n trials",
		"need >= 6 samples for confidence interval at level 0.95",
	}
	wide := r.Doc()
	wide.Width = 200
	if diff := cmp.Diff(want, squeeze(render(t, wide, Text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for format, want := range map[Format]string{
		Markdown: "**Reap**\n\n| ",
		HTML:     "<h2>Reap</h2>",
		CSV:      "\nReap,wait,the parent waits for each child,2,500,500,500,-4096,6e-06,0.05,,1 broken\n",
		JSON:     `"about": "the parent waits for each child"`,
		LaTeX:    `\subsection*{Reap}`,
	} {
		if text := render(t, r.Doc(), format); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", format, want, text)
		}
	}
}

// A report of several kinds of files at once answers about all of them.
func TestMixedBenchmarks(t *testing.T) {
	set := load(t, map[string][]byte{"army": labs()["usual"][0].file(t), "others": []byte(otherBenchmarks)})
	d := report(t, set, Query{}).Doc()
	text := render(t, d, Text)
	for _, want := range []string{"1000 zombies hold 9.9 MiB of kernel slab on Linux 6.18.44/amd64", "\nZombies\n", "\nReap\n", "\nToy\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// They can be compared as well, each in tables of its own.
	other := set
	other.Records = append(other.Records, set.Records...)
	for i := range other.Records[len(set.Records)/2:] {
		other.Records[len(set.Records)/2+i].File += "2"
	}
	units := make(map[string]bool)
	for _, c := range report(t, other, Query{Col: ".file"}).Comparisons {
		units[c.title()] = true
	}
	for _, want := range []string{"zombies-peak (benchmark Reap, kernel 6.18.0, goos none, goarch none, cpu none, page-size none, cgroup none)",
		"kmem-B per 1000 zombies (benchmark Zombies, kernel 6.18.44, goos linux, goarch amd64, cpu Some CPU @ 2.00GHz, page-size 4096, cgroup v1)"} {
		found := false
		for title := range units {
			found = found || title == want || strings.HasPrefix(title, strings.TrimSuffix(want, ")")[:len("zombies-peak (benchmark Reap")])
		}
		if !found {
			t.Errorf("no %s among %v", want, units)
		}
	}
}

// What units mean stands below the tables, of whatever unit a file says it.
func TestMeanings(t *testing.T) {
	var b bytes.Buffer
	w := results.NewWriter(&b)
	if err := w.WriteHeader(results.Header{Units: results.Units()}); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTrial(results.Trial{Bench: results.Zombies, N: 5, Values: []results.Value{{Unit: results.UnitKmem, Value: 1}, {Unit: results.UnitTime, Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	set, errs := results.Read(&b, "f")
	if errs != nil {
		t.Fatal(errs)
	}
	text := render(t, report(t, set, Query{Per: 1}).Doc(), Text)
	for _, want := range []string{"\nkmem-B: kernel memory charged to the army's cgroup\n", "\nsec: from the first spawn to the last death\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
