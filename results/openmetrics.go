package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"zombench/results/table"
)

// A metric is one family of gauges.
type metric struct {
	name, unit, help string
	samples          []string
}

func (r Report) openMetrics(b *strings.Builder) error {
	for _, m := range r.metrics() {
		fmt.Fprintf(b, "# TYPE %s gauge\n", m.name)
		if m.unit != "" {
			fmt.Fprintf(b, "# UNIT %s %s\n", m.name, m.unit)
		}
		fmt.Fprintf(b, "# HELP %s %s\n", m.name, m.help)
		for _, s := range m.samples {
			b.WriteString(s)
		}
	}
	b.WriteString("# EOF\n")
	return nil
}

// WritePrometheus writes what OpenMetrics has in the older text format, which
// the textfile collector of node_exporter reads, and when it was measured: the
// collector refuses files with timestamps, and only one that says how old it is
// can be seen to have gone stale.
func (r Report) WritePrometheus(w io.Writer, measured time.Time) error {
	var b strings.Builder
	last := metric{name: "zombench_last_run_timestamp_seconds", help: "When zombies were last measured, in seconds of Unix time.",
		samples: []string{fmt.Sprintf("zombench_last_run_timestamp_seconds %d\n", measured.Unix())}}
	for _, m := range append(r.metrics(), last) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
		for _, s := range m.samples {
			b.WriteString(s)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// metrics gives the gauges of a report that have a sample. An estimate that does
// not stand out from the noise has none.
func (r Report) metrics() []metric {
	bytes := metric{name: "zombench_zombie_bytes", unit: "bytes", help: "Memory that one zombie adds, by instrument."}
	lower := metric{name: "zombench_zombie_lower_bytes", unit: "bytes", help: "Lower end of the 95 % interval of zombench_zombie_bytes."}
	upper := metric{name: "zombench_zombie_upper_bytes", unit: "bytes", help: "Upper end of the 95 % interval of zombench_zombie_bytes."}
	creation := metric{name: "zombench_creation_seconds", unit: "seconds", help: "Median time that the creation of one zombie takes."}
	trials := metric{name: "zombench_trials", help: "Trials, by how far they can be trusted."}
	signals := metric{name: "zombench_signals", help: "Signals that the daemon sent to children: zombies need none to end."}

	seen := make(map[string]bool)
	add := func(m *metric, config []Param, value string, more ...Param) {
		series := m.name + labels(append(slices.Clone(config), more...))
		if value != "" && !seen[series] { // two that differ in what labels cannot tell: the first
			seen[series] = true
			m.samples = append(m.samples, series+" "+value+"\n")
		}
	}
	for _, s := range r.Summaries {
		for _, e := range s.Estimates {
			if !e.Stands() || !r.Query.wanted(e.Unit) {
				continue
			}
			base, _, _ := PerZombies(e.Unit)
			instrument := Param{"instrument", strings.TrimSuffix(strings.TrimSuffix(base, "B"), "-")}
			add(&bytes, s.Config, raw(e.PerZombie), instrument)
			add(&lower, s.Config, raw(e.Lo), instrument)
			add(&upper, s.Config, raw(e.Hi), instrument)
		}
		add(&trials, s.Config, fmt.Sprint(s.Trials-s.NoisyTrials), Param{"state", "good"})
		add(&trials, s.Config, fmt.Sprint(s.NoisyTrials), Param{"state", "noisy"})
		add(&trials, s.Config, fmt.Sprint(s.BrokenTrials), Param{"state", "broken"})
		if s.Ends.Known {
			add(&signals, s.Config, fmt.Sprint(s.Ends.Signals))
		}
	}
	for _, row := range r.set.table(Query{Units: []string{UnitTime}}, r.grouping).Rows {
		for _, c := range row.Cells {
			add(&creation, row.Config, raw(c.Center))
		}
	}
	return slices.DeleteFunc([]metric{bytes, lower, upper, creation, trials, signals}, func(m metric) bool { return len(m.samples) == 0 })
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`) // table.Printable leaves no newline

// labels writes {key="value",...}; empty values are left out, as they mean no
// label.
func labels(params []Param) string {
	var all []string
	seen := make(map[string]bool)
	for _, p := range params {
		key := strings.Map(func(r rune) rune {
			if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
				return r
			}
			return '_'
		}, p.Key)
		if key == "" || '0' <= key[0] && key[0] <= '9' || strings.HasPrefix(key, "__") {
			key = "key_" + key
		}
		if p.Value == "" || seen[key] {
			continue
		}
		seen[key] = true
		all = append(all, fmt.Sprintf(`%s="%s"`, key, labelEscapes.Replace(table.Printable(p.Value))))
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}
