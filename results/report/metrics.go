package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"zombench/results"
	"zombench/results/stats"
)

// WriteOpenMetrics writes the estimates and medians of a report as gauges, and
// when they were measured: whoever collects the file, such as node_exporter's
// textfile collector, which refuses timestamps, can see by that whether it has gone
// stale. An estimate that is not above the noise has none.
func (r *Report) WriteOpenMetrics(w io.Writer, measured time.Time) error {
	var b strings.Builder
	for _, f := range r.metrics(measured) {
		if len(f.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(&b, f.MetricFamily); err != nil {
			return fmt.Errorf("writing metrics: %w", err)
		}
	}
	_, err := expfmt.FinalizeOpenMetrics(&b)
	if err == nil {
		_, err = io.WriteString(w, b.String())
	}
	if err != nil {
		return fmt.Errorf("writing metrics: %w", err)
	}
	return nil
}

// A gauge is one family of metrics.
type gauge struct {
	*dto.MetricFamily
	seen map[string]bool
}

func newGauge(name, help string) gauge {
	return gauge{&dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum()}, make(map[string]bool)}
}

// add adds a sample. Of two that differ in what labels cannot tell it is the first,
// and what is no number has none.
func (g gauge) add(value float64, labels []results.Param, more ...results.Param) {
	pairs := labelPairs(append(slices.Clone(labels), more...))
	series := fmt.Sprint(pairs)
	if finite(value) == nil || g.seen[series] {
		return
	}
	g.seen[series] = true
	g.Metric = append(g.Metric, &dto.Metric{Label: pairs, Gauge: &dto.Gauge{Value: &value}})
}

func (r *Report) metrics(measured time.Time) []gauge {
	bytes := newGauge("zombench_zombie_bytes", "Memory that one zombie adds, by instrument.")
	lower := newGauge("zombench_zombie_lower_bytes", "Lower end of the 95 % interval of zombench_zombie_bytes.")
	upper := newGauge("zombench_zombie_upper_bytes", "Upper end of the 95 % interval of zombench_zombie_bytes.")
	creation := newGauge("zombench_creation_seconds", "Median time that the creation of one zombie takes.")
	trials := newGauge("zombench_trials", "Trials, by how far they can be trusted.")
	signals := newGauge("zombench_signals", "Signals that the daemon sent to children: zombies need none to end.")
	last := newGauge("zombench_last_run_timestamp_seconds", "When zombies were last measured, in seconds of Unix time.")
	for _, s := range r.Summaries {
		for _, i := range s.Instruments {
			if !i.AboveNoise() || !r.Query.wanted(i.Unit) {
				continue
			}
			instrument := results.Param{Key: "instrument", Value: strings.TrimSuffix(strings.TrimSuffix(heading(i.Unit), "B"), "-")}
			bytes.add(i.PerZombie, s.Labels, instrument)
			lower.add(i.Lo, s.Labels, instrument)
			upper.add(i.Hi, s.Labels, instrument)
		}
		state := func(name string, n int) { trials.add(float64(n), s.Labels, results.Param{Key: "state", Value: name}) }
		state("good", s.Trials-s.WarnedTrials)
		state("warned", s.WarnedTrials)
		state("broken", s.BrokenTrials)
		if s.Ends.Known {
			signals.add(float64(s.Ends.Signals), s.Labels)
		}
		for _, armies := range alike(s.Armies) {
			c, _ := stats.NewCell(results.UnitTime, stats.Trials(armies...), nil, r.units.GetAssumption("sec/zombie"))
			if c.N > 0 {
				creation.add(c.Center, stats.Labels(armies[0]))
			}
		}
	}
	last.add(float64(measured.Unix()), nil)
	return []gauge{bytes, lower, upper, creation, trials, signals, last}
}

// labelPairs makes labels of parameters; an empty value means no label.
func labelPairs(params []results.Param) []*dto.LabelPair {
	var pairs []*dto.LabelPair
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
		value := results.Printable(p.Value)
		pairs = append(pairs, &dto.LabelPair{Name: &key, Value: &value})
	}
	return pairs
}
