package results

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lines of several runs in one stream are told apart, and what does not belong to
// them changes nothing.
func TestRunsAreToldApart(t *testing.T) {
	header := func(run, node string) string {
		return "# run " + run + ": trials=2\n# zombench 1, now\nkernel: 6.1\nnode: " + node + "\n\nUnit kmem-B/1000zombies better=lower\n# unit pids: how many\n\n"
	}
	trial := func(run, number string) string {
		return "# trial " + run + ": number=" + number + "\n# before: pids=1\n# ends: signals=0 exited=5 killed=0 dumped=0\nBenchmarkZombies/count=5 5 " + number + " x\n"
	}
	for name, test := range map[string]struct {
		file  string
		want  string // node and value of each record
		parts string // node, trials, again, short, headless
		errs  string
	}{
		"one behind the other": {header("A", "n1") + trial("A", "1") + trial("A", "2") + header("B", "n2") + trial("B", "1") + trial("B", "2"),
			"n1 1, n1 2, n2 1, n2 2", "n1 2 0 false false, n2 2 0 false false", ""},
		"interleaved": {header("A", "n1") + header("B", "n2") + trial("A", "1") + trial("B", "1") + trial("B", "2") + trial("A", "2"),
			"n1 1, n2 1, n2 2, n1 2", "n1 2 0 false false, n2 2 0 false false", ""},
		"standard error among the lines": {"zombench: notice\n" + header("A", "n1") + "zombench: trial: 1\nkernel: none\n" + trial("A", "1") + "node: x\npanic: no\n" + trial("A", "2"),
			"n1 1, n1 2", "n1 2 0 false false", ""},
		"cut off": {header("A", "n1") + trial("A", "1") + "# trial A: number=2\n# before: pids=1\n",
			"n1 1", "n1 1 0 true false", "13: no trial follows this comment (is the file truncated?)"},
		"cut within a line": {header("A", "n1") + trial("A", "1") + strings.TrimSuffix(trial("A", "2"), "x\n") + "kmem-B/10",
			"n1 1", "n1 1 0 true false", "16: the line is cut short"},
		"a trial within another": {header("A", "n1") + header("B", "n2") + "# trial A: number=1\n# noisy: loud\n" + trial("B", "1"),
			"n2 1", "n1 0 0 true false, n2 1 0 true false", "17: no trial follows this comment (is the file truncated?)"},
		"twice": {strings.Repeat(header("A", "n1")+trial("A", "1")+trial("A", "2"), 2),
			"n1 1, n1 2", "n1 2 2 false false", ""},
		"without a header": {trial("A", "1") + header("B", "n2") + trial("B", "1") + trial("A", "2"),
			"n2 1", " 2 0 false true, n2 1 0 true false", ""},
		"an older file behind it": {header("A", "n1") + trial("A", "1") + "kernel: 5.10\nnode: n9\n\nBenchmarkZombies/count=5 5 7 x\n",
			"n1 1, n9 7", "n1 1 0 true false, n9 1 0 false false", ""},
	} {
		var got, parts, errs []string
		set, all := Read(strings.NewReader(test.file), "f")
		for _, err := range all {
			errs = append(errs, strings.TrimPrefix(err.Error(), "f:"))
		}
		for _, rec := range set.Records {
			got = append(got, fmt.Sprint(Lookup(rec.Config, "node"), " ", rec.Values[0].Value))
			if rec.Serial.Number > 0 && (len(rec.Readings) != 1 || !rec.Ends.Known || rec.Facts.MeaningOf("pids") != "how many") {
				t.Errorf("%s: comments of %s are lost: %+v", name, rec.Name(), rec)
			}
		}
		for _, p := range set.Parts {
			if p.Read+p.Again > 0 || p.Short() {
				parts = append(parts, fmt.Sprintf("%s %d %d %t %t", Lookup(p.Config, "node"), p.Read, p.Again, p.Short(), p.Headless))
			}
		}
		for i, pair := range [][2]string{{test.want, strings.Join(got, ", ")}, {test.parts, strings.Join(parts, ", ")}, {test.errs, strings.Join(errs, ", ")}} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Errorf("%s: %s: %s", name, [...]string{"records", "parts", "errors"}[i], diff)
			}
		}
	}
}
