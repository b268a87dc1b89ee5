package report

import (
	"encoding/json"
	"slices"

	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// The data of a report, for programs. Numbers that there are none of (an interval
// of too few trials, a floor without controls) are null. Values of trials stand as
// they stand in the file, cells and estimates say their unit.
type (
	jsonReport struct {
		Per         int              `json:"per_zombies"`
		Confidence  float64          `json:"confidence"`
		Summaries   []jsonSummary    `json:"summaries"`
		Table       []jsonRow        `json:"table,omitempty"`
		Comparisons []jsonComparison `json:"comparisons,omitempty"`
		Trials      []jsonTrial      `json:"trials"`
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
		Warnings  map[string]int    `json:"warnings,omitempty"`
		Ends      *jsonEnds         `json:"ends,omitempty"`
	}
	jsonEstimate struct {
		Unit       string   `json:"unit,omitempty"`
		BaseUnit   string   `json:"per_zombie_unit,omitempty"`
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
		Bench    string            `json:"bench"`
		Config   map[string]string `json:"config"`
		About    string            `json:"about,omitempty"`
		Control  bool              `json:"control,omitempty"`
		Trials   int               `json:"trials"`
		Broken   int               `json:"broken"`
		Warnings int               `json:"warnings"`
		Cells    []jsonCell        `json:"cells"`
	}
	jsonComparison struct {
		Unit     string              `json:"unit"`
		Of       map[string]string   `json:"of,omitempty"`
		Columns  []string            `json:"columns"`
		Differs  []string            `json:"columns_differ_in,omitempty"`
		Rows     []jsonComparedCells `json:"rows"`
		Warnings []string            `json:"warnings,omitempty"`
	}
	jsonComparedCells struct {
		Key   map[string]string `json:"key"`
		Cells []*jsonCell       `json:"cells"`
	}
	jsonTrial struct {
		File     string             `json:"file"`
		Line     int                `json:"line"`
		Name     string             `json:"name"`
		Bench    string             `json:"bench"`
		Config   map[string]string  `json:"config"`
		Params   map[string]string  `json:"params"`
		Control  bool               `json:"control,omitempty"`
		N        int                `json:"n"`
		Values   map[string]float64 `json:"values"`
		Broken   string             `json:"broken,omitempty"`
		Warnings []string           `json:"warnings,omitempty"`
		Ends     *jsonEnds          `json:"ends,omitempty"`
		Readings []jsonReading      `json:"readings,omitempty"`
		Sites    []jsonSite         `json:"call_sites,omitempty"`
	}
	jsonReading struct {
		When     string               `json:"when"`
		Counters map[string]uint64    `json:"counters"`
		Caches   map[string][2]uint64 `json:"caches,omitempty"` // objects and slabs
	}
	jsonSite struct {
		Function  string           `json:"function"`
		Caches    []string         `json:"caches"`
		Requested uint64           `json:"requested_bytes"`
		Allocated uint64           `json:"allocated_bytes"`
		Accounted results.Tristate `json:"accounted"`
		Objects   uint64           `json:"objects"`
	}
	jsonEnds struct {
		Signals uint64 `json:"signals"`
		Exited  uint64 `json:"exited"`
		Killed  uint64 `json:"killed"`
		Dumped  uint64 `json:"dumped"`
	}
)

// data makes the data of a report when it is marshalled: it is large, and only
// JSON wants it.
type data struct{ *Report }

func (d data) MarshalJSON() ([]byte, error) {
	doc := jsonReport{Per: d.Query.per(), Confidence: stats.Confidence, Summaries: []jsonSummary{}, Trials: []jsonTrial{}}
	for _, s := range d.Summaries {
		doc.Summaries = append(doc.Summaries, s.json())
	}
	for _, t := range d.Tables {
		for _, row := range t.Rows {
			doc.Table = append(doc.Table, t.json(row))
		}
	}
	for _, c := range d.Comparisons {
		doc.Comparisons = append(doc.Comparisons, c.json())
	}
	for i := range d.records {
		doc.Trials = append(doc.Trials, newJSONTrial(&d.records[i]))
	}
	return json.Marshal(doc)
}

func (s Summary) json() jsonSummary {
	j := jsonSummary{Config: object(s.Labels), Sentence: s.Sentence(), Facts: s.Facts(), Estimates: []jsonEstimate{},
		SlabUnit: s.SlabUnit, Trials: s.Trials, Controls: s.Controls, Broken: counts(s.Broken), Warnings: counts(s.Warnings), Ends: newJSONEnds(s.Ends)}
	for _, i := range s.Instruments {
		e := newJSONEstimate(i.Estimate)
		base, _, _ := results.PerZombies(i.Unit)
		e.Unit, e.BaseUnit = i.Unit, base+"/zombie"
		j.Estimates = append(j.Estimates, e)
	}
	return j
}

func newJSONEstimate(e stats.Estimate) jsonEstimate {
	j := jsonEstimate{PerZombie: finite(e.PerZombie), Lo: finite(e.Lo), Hi: finite(e.Hi), Method: "slope", Counts: e.Counts,
		Trials: e.Trials, Floor: floor(e.Floor), Controls: e.Controls, BelowNoise: !e.AboveNoise()}
	if e.OneCount {
		j.Method = "median of one count"
	} else {
		j.Intercept = finite(e.Intercept)
	}
	return j
}

func (t BenchTable) json(r BenchRow) jsonRow {
	j := jsonRow{Bench: t.Bench, Config: object(r.Config), About: r.About, Control: r.Control, Trials: r.Trials, Broken: r.Broken, Warnings: r.Warned, Cells: []jsonCell{}}
	for _, u := range t.Units {
		if c, ok := r.Cells[u.Name]; ok {
			j.Cells = append(j.Cells, newJSONCell(u.Name, c))
		}
	}
	return j
}

func newJSONCell(unit string, c stats.Cell) jsonCell {
	return jsonCell{Unit: unit, Statistic: c.Method, Value: finite(c.Center), Lo: finite(c.Lo), Hi: finite(c.Hi),
		Confidence: c.Confidence, N: c.N, Floor: floor(c.Floor), BelowNoise: c.BelowNoise, Warnings: texts(c.Warnings)}
}

func (c Comparison) json() jsonComparison {
	j := jsonComparison{Unit: c.Unit, Columns: c.Cols, Differs: c.Differs, Warnings: c.Warnings}
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
			jc := newJSONCell(c.Unit, cell.Cell)
			if ch := cell.Change; ch != nil {
				jc.Change = &jsonChange{Base: c.Cols[0], Ratio: finite(ch.Ratio), Significant: ch.Significant(), P: ch.P, BaseN: ch.N1, Warnings: texts(ch.Warnings)}
			}
			cells = append(cells, &jc)
		}
		j.Rows = append(j.Rows, jsonComparedCells{key, cells})
	}
	return j
}

func newJSONTrial(r *results.Record) jsonTrial {
	j := jsonTrial{File: r.File, Line: r.Line, Name: r.Name(), Bench: r.Bench, Config: object(r.Config), Params: object(r.Params), Control: r.Control,
		N: r.N, Values: make(map[string]float64, len(r.Values)), Broken: r.Broken, Warnings: r.Warnings, Ends: newJSONEnds(r.Ends), Sites: newJSONSites(r.Sites)}
	for _, v := range r.Values {
		j.Values[v.Unit] = v.Value
	}
	for _, reading := range r.Readings {
		jr := jsonReading{When: reading.When, Counters: make(map[string]uint64)}
		for _, c := range reading.Counters {
			jr.Counters[c.Name] = c.Value
		}
		if len(reading.Caches) > 0 {
			jr.Caches = make(map[string][2]uint64)
		}
		for _, c := range reading.Caches {
			jr.Caches[c.Name] = [2]uint64{c.Objects, c.Slabs}
		}
		j.Readings = append(j.Readings, jr)
	}
	return j
}

func newJSONSites(sites []results.CallSite) []jsonSite {
	var all []jsonSite
	for _, s := range sites {
		all = append(all, jsonSite(s))
	}
	return all
}

func newJSONEnds(e results.Ends) *jsonEnds {
	if !e.Known {
		return nil
	}
	return &jsonEnds{e.Signals, e.Exited, e.Killed, e.Dumped}
}

func object(params []results.Param) map[string]string {
	m := make(map[string]string, len(params))
	for _, p := range params {
		m[p.Key] = p.Value
	}
	return m
}

func counts(reasons []stats.Reason) map[string]int {
	m := make(map[string]int)
	for _, r := range reasons {
		m[r.Text] = r.Count
	}
	return m
}

func floor(v float64) *float64 {
	if v < 0 {
		return nil
	}
	return finite(v)
}

// The data of ledgers.
type (
	jsonLedgers struct {
		Ledgers []jsonLedger `json:"ledgers"`
	}
	jsonLedger struct {
		Config   map[string]string `json:"config"`
		Counts   []int             `json:"counts"`
		Trials   int               `json:"trials"`
		Controls int               `json:"controls"`
		Broken   []ledger.Flag     `json:"broken,omitempty"`
		Warnings []ledger.Flag     `json:"warnings,omitempty"`
		Unlisted int               `json:"unlisted_caches"`
		Caches   []jsonCache       `json:"caches"`
		Steps    []jsonStep        `json:"steps"`
		Adds     bool              `json:"adds_up"`
		Followed int               `json:"followed_zombies,omitempty"`
		Sites    []jsonSite        `json:"call_sites,omitempty"`
	}
	jsonCache struct {
		Name        string       `json:"name"`
		Aliases     []string     `json:"aliases"`
		Role        ledger.Role  `json:"role"`
		Objects     jsonEstimate `json:"objects"`
		Pages       jsonEstimate `json:"pages_bytes"`
		Used        uint64       `json:"used_bytes,omitempty"`
		Size        uint64       `json:"object_bytes"`
		PerSlab     uint64       `json:"objects_per_slab"`
		Order       int          `json:"order"`
		SlabBytes   uint64       `json:"slab_bytes"`
		Bytes       float64      `json:"bytes"`
		Unaccounted bool         `json:"unaccounted,omitempty"`
		Use         []ledger.Use `json:"use,omitempty"`
	}
	jsonStep struct {
		Name      string      `json:"name"`
		Kind      ledger.Kind `json:"kind"`
		Bytes     float64     `json:"bytes"`
		Lo        *float64    `json:"lo,omitempty"`
		Hi        *float64    `json:"hi,omitempty"`
		Rest      *float64    `json:"unexplained_bytes,omitempty"`
		Percent   *float64    `json:"unexplained_percent,omitempty"`
		Intercept *float64    `json:"intercept_bytes,omitempty"`
		Limit     float64     `json:"limit_percent,omitempty"`
		Below     bool        `json:"below_noise,omitempty"`
		Source    string      `json:"source,omitempty"`
	}
)

func ledgerData(all []*ledger.Ledger) jsonLedgers {
	doc := jsonLedgers{Ledgers: []jsonLedger{}}
	for _, l := range all {
		j := jsonLedger{Config: object(l.Labels), Counts: l.Counts, Trials: l.Trials, Controls: l.Controls, Broken: l.Broken, Warnings: l.Warnings,
			Unlisted: l.Unlisted, Adds: len(l.Unexplained()) == 0, Followed: l.Followed, Sites: newJSONSites(l.Sites)}
		for _, c := range l.Caches {
			j.Caches = append(j.Caches, jsonCache{c.Name, slices.Clone(c.Aliases), c.Role, newJSONEstimate(c.Objects), newJSONEstimate(c.Pages),
				c.Used, c.Size, c.PerSlab, c.Order, c.SlabBytes, c.Bytes(), c.Unaccounted, c.Use})
		}
		for _, s := range l.Steps {
			step := jsonStep{Name: s.Name, Kind: s.Kind, Bytes: s.Bytes, Limit: s.Limit, Below: s.BelowNoise(), Source: s.Source}
			if e := s.Estimate; e != nil {
				step.Lo, step.Hi, step.Intercept = finite(e.Lo), finite(e.Hi), finite(e.Intercept)
				step.Rest, step.Percent = finite(s.Rest), finite(s.Percent())
			}
			j.Steps = append(j.Steps, step)
		}
		doc.Ledgers = append(doc.Ledgers, j)
	}
	return doc
}
