package results

import (
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
)

// csv writes one line for each number: first the estimates, then the cells.
// What does not apply is empty.
func (r Report) csv(b *strings.Builder) error {
	var keys []string
	addKeys := func(params []Param) {
		for _, p := range params {
			if !slices.Contains(keys, p.Key) {
				keys = append(keys, p.Key)
			}
		}
	}
	for _, s := range r.Summaries {
		addKeys(s.Config)
	}
	for _, row := range r.Table.Rows {
		addKeys(row.Config)
	}
	header := []string{"statistic", "unit", "value", "lo", "hi", "confidence",
		"n", "broken", "noisy", "noise_floor", "below_noise"}
	compares := r.Query.compares()
	if compares {
		for _, c := range r.Comparisons {
			for j := range c.Cols {
				addKeys(c.params(0, j))
			}
			for i := range c.Rows {
				addKeys(c.params(i, 0))
			}
		}
		header = append(header, "base", "change", "significant", "p", "base_n")
	}
	w := csv.NewWriter(b)
	write := func(params []Param, rest ...string) {
		var line []string
		for _, key := range keys {
			line = append(line, Lookup(params, key))
		}
		if compares {
			rest = append(rest, make([]string, len(header)-len(rest))...)
		}
		w.Write(append(line, rest...)) // the error is kept for w.Error
	}
	w.Write(append(slices.Clone(keys), header...))
	for _, s := range r.Summaries {
		for _, e := range s.Estimates {
			if !r.Query.wanted(e.Unit) {
				continue
			}
			base, _, _ := PerZombies(e.Unit)
			largest := float64(e.Counts[len(e.Counts)-1])
			write(s.Config, e.method(), base+"/zombie", raw(e.PerZombie), raw(e.Lo), raw(e.Hi), raw(confidence),
				strconv.Itoa(e.Trials), strconv.Itoa(s.BrokenTrials), strconv.Itoa(s.NoisyTrials),
				rawFloor(e.Floor/largest), strconv.FormatBool(!e.Stands()))
		}
	}
	for _, row := range r.Table.Rows {
		broken, noisy := strconv.Itoa(row.Broken), strconv.Itoa(row.Noisy)
		if len(row.Cells) == 0 {
			write(row.Config, "none", "", "", "", "", "", "0", broken, noisy, "", "")
		}
		for _, unit := range r.Table.Units {
			if c, ok := row.Cells[unit]; ok {
				write(row.Config, c.csv(unit, broken, noisy)...)
			}
		}
	}
	for _, c := range r.Comparisons {
		for i, row := range c.Rows {
			for j, cell := range row.Cells {
				if cell == nil {
					continue
				}
				rest := cell.csv(c.Unit, "", "")
				if ch := cell.Change; ch != nil {
					rest = append(rest, c.Cols[0], raw(ch.Ratio-1), strconv.FormatBool(ch.Significant()), raw(ch.P), strconv.Itoa(ch.N1))
				}
				write(c.params(i, j), rest...)
			}
		}
	}
	w.Flush()
	return w.Error()
}

func (c Cell) csv(unit, broken, noisy string) []string {
	return []string{c.Method, unit, raw(c.Center), raw(c.Lo), raw(c.Hi), raw(c.Confidence),
		strconv.Itoa(c.N), broken, noisy, rawFloor(c.Floor), strconv.FormatBool(c.BelowNoise)}
}

// method names the statistic.
func (e Estimate) method() string {
	if e.OneCount {
		return "median of one count"
	}
	return "slope"
}

func rawFloor(v float64) string {
	if v < 0 {
		return ""
	}
	return raw(v)
}
