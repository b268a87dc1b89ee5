package results

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
)

// The JSON document. Numbers that there are none of (an interval of too few
// trials, a floor without controls) are null. Values of trials stand as they
// stand in the file, cells and estimates say their unit. Behind these come the
// trials, an array of jsonTrial.
type (
	jsonReport struct {
		Per         int              `json:"per_zombies"`
		Confidence  float64          `json:"confidence"`
		Summaries   []jsonSummary    `json:"summaries"`
		Table       []jsonRow        `json:"table,omitempty"`
		Comparisons []jsonComparison `json:"comparisons,omitempty"`
	}
	jsonSummary struct {
		Config    map[string]string `json:"config"`
		Sentence  string            `json:"sentence"`
		Facts     []string          `json:"facts"`
		Estimates []jsonEstimate    `json:"estimates"`
		SlabUnit  string            `json:"slab_unit,omitempty"`
		Trials    int               `json:"trials"`
		Controls  int               `json:"controls"`
		Broken    map[string]int    `json:"broken,omitempty"`
		Noisy     map[string]int    `json:"noisy,omitempty"`
		Ends      *jsonEnds         `json:"ends,omitempty"`
	}
	jsonEstimate struct {
		Unit       string   `json:"unit"`
		BaseUnit   string   `json:"per_zombie_unit"`
		PerZombie  *float64 `json:"per_zombie"`
		Lo         *float64 `json:"lo"`
		Hi         *float64 `json:"hi"`
		Intercept  *float64 `json:"intercept"`
		Method     string   `json:"method"`
		Counts     []int    `json:"counts"`
		Trials     int      `json:"trials"`
		Floor      *float64 `json:"noise_floor"`
		Controls   int      `json:"controls"`
		BelowNoise bool     `json:"below_noise"`
	}
	jsonCell struct {
		Unit       string      `json:"unit"`
		Statistic  string      `json:"statistic"`
		Value      *float64    `json:"value"`
		Lo         *float64    `json:"lo"`
		Hi         *float64    `json:"hi"`
		Confidence float64     `json:"confidence"`
		N          int         `json:"n"`
		Floor      *float64    `json:"noise_floor"`
		BelowNoise bool        `json:"below_noise"`
		Change     *jsonChange `json:"change,omitempty"`
		Warnings   []string    `json:"warnings,omitempty"`
	}
	jsonChange struct {
		Base        string   `json:"base"`
		Ratio       *float64 `json:"ratio"`
		Significant bool     `json:"significant"`
		P           float64  `json:"p"`
		BaseN       int      `json:"base_n"`
		Warnings    []string `json:"warnings,omitempty"`
	}
	jsonRow struct {
		Config map[string]string `json:"config"`
		Trials int               `json:"trials"`
		Broken int               `json:"broken"`
		Noisy  int               `json:"noisy"`
		Cells  []jsonCell        `json:"cells"`
	}
	jsonComparison struct {
		Unit    string            `json:"unit"`
		Of      map[string]string `json:"of,omitempty"`
		Columns []string          `json:"columns"`
		Differs []string          `json:"columns_differ_in,omitempty"`
		Rows    []struct {
			Key   map[string]string `json:"key"`
			Cells []*jsonCell       `json:"cells"`
		} `json:"rows"`
		Warnings []string `json:"warnings,omitempty"`
	}
	jsonTrial struct {
		File   string             `json:"file"`
		Line   int                `json:"line"`
		Name   string             `json:"name"`
		Bench  string             `json:"bench"`
		Config map[string]string  `json:"config"`
		Params map[string]string  `json:"params"`
		N      int                `json:"n"`
		Values map[string]float64 `json:"values"`
		Broken string             `json:"broken,omitempty"`
		Noisy  []string           `json:"noisy,omitempty"`
		Ends   *jsonEnds          `json:"ends,omitempty"`
	}
	jsonEnds struct {
		Signals uint64 `json:"signals"`
		Exited  uint64 `json:"exited"`
		Killed  uint64 `json:"killed"`
		Dumped  uint64 `json:"dumped"`
	}
)

func (r Report) json(b *strings.Builder) error {
	doc := jsonReport{Per: r.Query.per(), Confidence: confidence, Summaries: []jsonSummary{}}
	for _, s := range r.Summaries {
		doc.Summaries = append(doc.Summaries, s.json())
	}
	for _, row := range r.Table.Rows {
		j := jsonRow{Config: object(row.Config), Trials: row.Trials, Broken: row.Broken, Noisy: row.Noisy, Cells: []jsonCell{}}
		for _, unit := range r.Table.Units {
			if c, ok := row.Cells[unit]; ok {
				j.Cells = append(j.Cells, c.json(unit))
			}
		}
		doc.Table = append(doc.Table, j)
	}
	for _, c := range r.Comparisons {
		doc.Comparisons = append(doc.Comparisons, c.json())
	}
	head, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		return err
	}
	// The trials are many: they are appended one by one, a line each.
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n\t\"trials\": [")
	for i, rec := range r.set.Records {
		line, err := json.Marshal(rec.json())
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n\t\t")
		b.Write(line)
	}
	b.WriteString("\n\t]\n}\n")
	return nil
}

func (s Summary) json() jsonSummary {
	j := jsonSummary{Config: object(s.Config), Sentence: s.Sentence(), Facts: s.Facts(), Estimates: []jsonEstimate{},
		SlabUnit: s.SlabUnit, Trials: s.Trials, Controls: s.Controls, Broken: counts(s.Broken), Noisy: counts(s.Noisy), Ends: s.Ends.json()}
	for _, e := range s.Estimates {
		base, _, _ := PerZombies(e.Unit)
		je := jsonEstimate{Unit: e.Unit, BaseUnit: base + "/zombie", PerZombie: number(e.PerZombie), Lo: number(e.Lo), Hi: number(e.Hi),
			Method: e.method(), Counts: e.Counts, Trials: e.Trials, Floor: floor(e.Floor), Controls: e.Controls, BelowNoise: !e.Stands()}
		if !e.OneCount {
			je.Intercept = number(e.Intercept)
		}
		j.Estimates = append(j.Estimates, je)
	}
	return j
}

func (c Cell) json(unit string) jsonCell {
	return jsonCell{Unit: unit, Statistic: c.Method, Value: number(c.Center), Lo: number(c.Lo), Hi: number(c.Hi),
		Confidence: c.Confidence, N: c.N, Floor: floor(c.Floor), BelowNoise: c.BelowNoise, Warnings: texts(c.Warnings)}
}

func (c Comparison) json() jsonComparison {
	j := jsonComparison{Unit: c.Unit, Columns: c.Cols, Differs: c.Differs, Warnings: texts(c.Warnings)}
	if len(c.Of) > 0 {
		j.Of = object(c.Of)
	}
	for _, row := range c.Rows {
		key := make(map[string]string)
		for i, k := range c.Keys {
			key[k] = row.Key[i]
		}
		var cells []*jsonCell
		for _, cell := range row.Cells {
			if cell == nil {
				cells = append(cells, nil)
				continue
			}
			jc := cell.Cell.json(c.Unit)
			if ch := cell.Change; ch != nil {
				jc.Change = &jsonChange{Base: c.Cols[0], Ratio: number(ch.Ratio), Significant: ch.Significant(), P: ch.P, BaseN: ch.N1, Warnings: texts(ch.Warnings)}
			}
			cells = append(cells, &jc)
		}
		j.Rows = append(j.Rows, struct {
			Key   map[string]string `json:"key"`
			Cells []*jsonCell       `json:"cells"`
		}{key, cells})
	}
	return j
}

func (r Record) json() jsonTrial {
	j := jsonTrial{File: r.File, Line: r.Line, Name: r.Name(), Bench: r.Bench, Config: object(r.Config), Params: object(r.Params),
		N: r.N, Values: make(map[string]float64, len(r.Values)), Broken: r.Broken, Noisy: r.Warnings, Ends: r.Ends.json()}
	for _, v := range r.Values {
		j.Values[v.Unit] = v.Value
	}
	return j
}

func (e Ends) json() *jsonEnds {
	if !e.Known {
		return nil
	}
	return &jsonEnds{e.Signals, e.Exited, e.Killed, e.Dumped}
}

func object(params []Param) map[string]string {
	m := make(map[string]string, len(params))
	for _, p := range params {
		m[p.Key] = p.Value
	}
	return m
}

func counts(reasons []Reason) map[string]int {
	m := make(map[string]int)
	for _, r := range reasons {
		m[r.Text] = r.Count
	}
	return m
}

func texts(errs []error) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func number(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

func floor(v float64) *float64 {
	if v < 0 {
		return nil
	}
	return number(v)
}
