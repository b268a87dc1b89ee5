package report

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/ledger"
)

// armies are those of the pretended kernel of package ledger's tests, raised in
// two ways.
func armies(t *testing.T) *results.Set {
	t.Helper()
	set, errs := results.Load("../ledger/testdata/zombies.txt")
	if errs != nil {
		t.Fatal(errs)
	}
	return set
}

func ledgers(t *testing.T, set *results.Set) []*ledger.Ledger {
	t.Helper()
	all, err := ledger.New(set.Records)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLedger(t *testing.T) {
	for _, format := range []Format{Text, Markdown, CSV, JSON} {
		t.Run(string(format), func(t *testing.T) {
			golden(t, "ledger."+string(format), []byte(render(t, Ledger(ledgers(t, armies(t))), format)))
		})
	}
}

// What programs read is what programs can read.
func TestLedgerForPrograms(t *testing.T) {
	d := Ledger(ledgers(t, armies(t)))
	var doc struct {
		Ledgers []struct {
			Adds  bool `json:"adds_up"`
			Steps []struct {
				Name  string
				Bytes float64
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, d, JSON)), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Ledgers) != 2 || !doc.Ledgers[0].Adds || doc.Ledgers[0].Steps[0].Bytes != 9568 {
		t.Errorf("read %+v", doc)
	}
	tables := strings.Split(render(t, d, CSV), "\n\n")
	rows := 0
	for _, text := range tables {
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		rows += len(records)
	}
	if len(tables) != 9 || rows < 50 {
		t.Errorf("%d rows of %d tables", rows, len(tables))
	}
}

// A ledger that does not add up says so in every format.
func TestLedgerOfALie(t *testing.T) {
	set := armies(t)
	for _, r := range set.Records {
		for i := range r.Readings {
			for j, c := range r.Readings[i].Counters {
				if r.Readings[i].When == "after" && c.Name == "kmem-B" && !r.Control {
					r.Readings[i].Counters[j].Value += 100 * uint64(r.N)
				}
			}
		}
	}
	d := Ledger(ledgers(t, set)[:1])
	for format, want := range map[Format]string{
		Text: "more than the 0.5 % that may stay unexplained", Markdown: "more than the 0.5 %", JSON: `"adds_up": false`, CSV: ",100.8",
		HTML: "more than the 0.5 %", LaTeX: `more than the 0.5 \%`,
	} {
		if text := render(t, d, format); !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", format, want, text)
		}
	}
}

// Bars are split by cache where the files have readings of caches.
func TestBarsByCache(t *testing.T) {
	set := armies(t)
	for i := range set.Records {
		if r := &set.Records[i]; r.Bench == results.Zombies {
			before, _ := r.Readings[0].Counter("kmem-B")
			after, _ := r.Readings[1].Counter("kmem-B")
			r.Values = append(r.Values, results.Value{Unit: results.UnitKmem, Value: 1000 * (float64(after) - float64(before)) / float64(r.N)})
		}
	}
	texts := drawSVG(t, report(t, set, Query{}), figure.NameBars)
	for _, want := range []string{" task_struct", " sighand_struct", " other caches", " in no cache"} {
		if !contains(texts, want) {
			t.Errorf("no %q among %q", want, texts)
		}
	}
	// control: without them there are no parts
	for i := range set.Records {
		set.Records[i].Facts = new(results.Facts)
	}
	if texts := drawSVG(t, report(t, set, Query{}), figure.NameBars); contains(texts, " task_struct") || !contains(texts, "bytes a zombie (B)") {
		t.Errorf("%q", texts)
	}
}
