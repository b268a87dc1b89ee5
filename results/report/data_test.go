package report

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A parsed document, of what programs are promised.
type parsed struct {
	Summaries   []struct{ Sentence string }
	Trials      []parsedTrial
	Comparisons []struct {
		Rows []struct {
			Cells []*struct {
				Change *struct {
					Base        string
					Ratio, P    float64
					Significant bool
					BaseN       int `json:"base_n"`
				}
			}
		}
	}
}

type parsedTrial struct {
	File, Name, Bench, Broken string
	Line, N                   int
	Config, Params            map[string]string
	Control                   bool
	Values                    map[string]float64
	Warnings                  []string
	Ends                      *struct{ Signals, Exited, Killed, Dumped uint64 }
	Readings                  []struct {
		When     string
		Counters map[string]uint64
		Caches   map[string][2]uint64
	}
	Sites []struct {
		Function string
		Caches   []string
		Bytes    uint64 `json:"allocated_bytes"`
	} `json:"call_sites"`
}

// JSON keeps every single trial: what was read is in it, and nothing else.
func TestJSONKeepsEverything(t *testing.T) {
	for _, name := range []string{"flags", "hostile", "broken"} {
		set := loadLabs(t, labs()[name])
		var doc parsed
		if err := json.Unmarshal([]byte(render(t, report(t, set, Query{}).Doc(), JSON)), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Trials) != len(set.Records) || len(doc.Summaries) != 1 {
			t.Fatalf("%d of %d trials, %d summaries", len(doc.Trials), len(set.Records), len(doc.Summaries))
		}
		broken, warnings := 0, 0
		for i, rec := range set.Records {
			got := doc.Trials[i]
			values := make(map[string]float64)
			for _, v := range rec.Values {
				values[v.Unit] = v.Value
			}
			want := parsedTrial{File: "file0", Line: rec.Line, Name: rec.Name(), Bench: rec.Bench, Config: paramData(rec.Config), Control: rec.Control,
				Params: paramData(rec.Params), N: rec.N, Values: values, Broken: rec.Broken, Warnings: rec.Warnings}
			if e := rec.Ends; e.Known {
				want.Ends = &struct{ Signals, Exited, Killed, Dumped uint64 }{e.Signals, e.Exited, e.Killed, e.Dumped}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got.Broken != "" {
				broken++
			}
			warnings += len(got.Warnings)
		}
		if name == "flags" && (broken != 3 || warnings != 2) {
			t.Errorf("%d broken, %d warnings", broken, warnings)
		}
	}
}

// Raw readings and call sites are in it too.
func TestJSONReadings(t *testing.T) {
	var doc parsed
	if err := json.Unmarshal([]byte(render(t, report(t, armies(t), Query{}).Doc(), JSON)), &doc); err != nil {
		t.Fatal(err)
	}
	r := doc.Trials[1].Readings
	if len(r) != 3 || r[1].When != "after" || r[1].Counters["kmem-B"] != 6901760 || r[1].Caches["task_struct"] != [2]uint64{600, 120} {
		t.Errorf("readings %+v", r)
	}
	if s := doc.Trials[len(doc.Trials)-1].Sites; len(s) != 2 || s[1].Function != "lsm_blob_alloc" || len(s[1].Caches) != 2 || s[0].Bytes != 5904 {
		t.Errorf("call sites %+v", s)
	}
}

func TestJSONComparison(t *testing.T) {
	text := render(t, report(t, loadLabs(t, labs()["two"]), Query{Col: "kernel", Units: []string{"kmem-B"}}).Doc(), JSON)
	var doc parsed
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	c := doc.Comparisons[0]
	if len(doc.Comparisons) != 1 || len(c.Rows) != 12 || len(c.Rows[0].Cells) != 2 || c.Rows[1].Cells[1] != nil {
		t.Fatalf("%+v", c)
	}
	ch := c.Rows[0].Cells[1].Change
	if ch == nil || ch.Base != "6.18.44" || !ch.Significant || ch.P <= 0 || ch.P > 0.001 || ch.Ratio < 0.9 || ch.Ratio > 0.91 || ch.BaseN != 10 {
		t.Errorf("%+v", ch)
	}
}
