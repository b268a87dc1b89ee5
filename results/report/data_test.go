package report

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// JSON keeps every single trial: what was read is in it, and nothing else.
func TestJSONKeepsEverything(t *testing.T) {
	for _, name := range []string{"flags", "hostile", "broken"} {
		set := loadLabs(t, labs()[name])
		var doc jsonReport
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
			want := jsonTrial{File: "file0", Line: rec.Line, Name: rec.Name(), Bench: rec.Bench, Config: object(rec.Config), Control: rec.Control,
				Params: object(rec.Params), N: rec.N, Values: values, Broken: rec.Broken, Warnings: rec.Warnings, Ends: newJSONEnds(rec.Ends)}
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

func TestJSONComparison(t *testing.T) {
	text := render(t, report(t, loadLabs(t, labs()["two"]), Query{Col: "kernel", Units: []string{"kmem-B"}}).Doc(), JSON)
	var doc jsonReport
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
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
