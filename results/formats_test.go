package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// JSON keeps every single trial: what was read is in it, and nothing else.
func TestJSONKeepsEverything(t *testing.T) {
	for _, name := range []string{"flags", "hostile", "broken"} {
		set := loadLabs(t, labs()[name])
		var b bytes.Buffer
		if err := report(t, set, Query{}).Write(&b, JSON); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			jsonReport
			Trials []jsonTrial
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Trials) != len(set.Records) || len(doc.Summaries) != 1 {
			t.Fatalf("%d of %d trials, %d summaries", len(doc.Trials), len(set.Records), len(doc.Summaries))
		}
		broken, noisy := 0, 0
		for i, rec := range set.Records {
			got := doc.Trials[i]
			values := make(map[string]float64)
			for _, v := range rec.Values {
				values[v.Unit] = v.Value
			}
			want := jsonTrial{File: "file0", Line: rec.Line, Name: rec.Name(), Bench: rec.Bench, Config: object(rec.Config),
				Params: object(rec.Params), N: rec.N, Values: values, Broken: rec.Broken, Noisy: rec.Warnings, Ends: rec.Ends.json()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got.Broken != "" {
				broken++
			}
			noisy += len(got.Noisy)
		}
		if name == "flags" && (broken != 3 || noisy != 2) {
			t.Errorf("%d broken, %d doubts", broken, noisy)
		}
	}
}

func TestJSONComparison(t *testing.T) {
	var b bytes.Buffer
	if err := report(t, loadLabs(t, labs()["two"]), Query{Col: "kernel", Units: []string{"kmem-B"}}).Write(&b, JSON); err != nil {
		t.Fatal(err)
	}
	var doc jsonReport
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	c := doc.Comparisons[0]
	if len(doc.Comparisons) != 1 || len(c.Rows) != 12 || len(c.Rows[0].Cells) != 2 || c.Rows[1].Cells[1] != nil {
		t.Fatalf("%+v", c)
	}
	ch := c.Rows[0].Cells[1].Change
	if ch == nil || ch.Base != "6.18.44" || !ch.Significant || ch.P <= 0 || ch.P > 0.001 || *ch.Ratio < 0.9 || *ch.Ratio > 0.91 || ch.BaseN != 10 {
		t.Errorf("%+v", ch)
	}
}

// The text format knows HELP and TYPE, and a collector refuses a file in which
// one series stands twice.
func TestPrometheus(t *testing.T) {
	line := regexp.MustCompile(`^[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\])*",?)*\})? [-+0-9.e]+$`)
	for name, all := range labs() {
		r := report(t, loadLabs(t, all), Query{})
		var text, open strings.Builder
		if err := r.WritePrometheus(&text, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(&open, OpenMetrics); err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for l := range strings.Lines(text.String()) {
			l = strings.TrimSuffix(l, "\n")
			if strings.HasPrefix(l, "# HELP ") || strings.HasPrefix(l, "# TYPE ") {
				continue
			}
			series := l[:strings.LastIndexByte(l, ' ')]
			if !line.MatchString(l) || seen[series] {
				t.Errorf("%s: %s", name, l)
			}
			seen[series] = true
		}
		if !seen["zombench_last_run_timestamp_seconds"] || len(seen) < 2 {
			t.Errorf("%s: %v", name, seen)
		}
		if !strings.HasSuffix(open.String(), "\n# EOF\n") || strings.Contains(open.String(), "timestamp") {
			t.Errorf("%s: %s", name, open.String())
		}
	}
	// What is below the noise floor is no measurement.
	var b strings.Builder
	if err := report(t, loadLabs(t, labs()["noise"]), Query{}).Write(&b, OpenMetrics); err != nil || strings.Contains(b.String(), "zombie_bytes{") {
		t.Error(b.String(), err)
	}
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	if err := r.WritePrometheus(writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }), time.Now()); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestLabels(t *testing.T) {
	for want, params := range map[string][]Param{
		"":                               nil,
		`{a_b="x\"y\\z",key_1a="1 2"}`:   {{"a-b", `x"y\z`}, {"empty", ""}, {"a_b", "again"}, {"1a", "1\n2"}},
		`{key___name__="x",key_="bare"}`: {{"__name__", "x"}, {"", "bare"}},
	} {
		if got := labels(params); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Every file that can be read can be compared as well.
func FuzzCompare(f *testing.F) {
	f.Add([]byte("kernel: 6\nBenchmarkZombies/count=5/parallel=1 5 1 a-B/1000zombies\nBenchmarkZombies/count=5/parallel=2 5 2 a-B/1000zombies\n"), "parallel", "count@(5 6)")
	f.Add([]byte("Benchmark\"a/x=1/:y 5 1 a\nBenchmarkZombies/\"a\\=@(b c)/x/:y=-/(=z 5 1e308 a-B/1000zombies\nkey: @(\nBenchmarkZombies/count=a 7 -1e308 a-B/1000zombies\n"), ".file", "key,x")
	f.Fuzz(func(t *testing.T, file []byte, col, row string) {
		set, _ := Read(bytes.NewReader(file), "f")
		r, err := set.Report(Query{Col: col, Row: row})
		if err != nil {
			return
		}
		for _, format := range []Format{Text, Markdown, CSV, JSON, LaTeX} {
			if err := r.Write(io.Discard, format); err != nil {
				t.Fatal(err)
			}
		}
	})
}
