package report

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"zombench/results"
)

// openMetrics writes the metrics of a lab's report.
func openMetrics(t *testing.T, all []lab) string {
	t.Helper()
	var b strings.Builder
	if err := report(t, loadLabs(t, all), Query{}).WriteOpenMetrics(&b, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A collector refuses a file in which one series stands twice; that of
// node_exporter reads files by the parser for the older text format.
func TestOpenMetrics(t *testing.T) {
	line := regexp.MustCompile(`^[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\])*",?)*\})? [-+0-9.e]+$`)
	for name, all := range labs() {
		text := openMetrics(t, all)
		seen := make(map[string]bool)
		for l := range strings.Lines(text) {
			l = strings.TrimSuffix(l, "\n")
			if strings.HasPrefix(l, "# ") {
				continue
			}
			series := l[:strings.LastIndexByte(l, ' ')]
			if !line.MatchString(l) || seen[series] {
				t.Errorf("%s: %s", name, l)
			}
			seen[series] = true
		}
		if !seen["zombench_last_run_timestamp_seconds"] || len(seen) < 2 || !strings.HasSuffix(text, "\n# EOF\n") {
			t.Errorf("%s: %s", name, text)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		if families, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil || families["zombench_trials"] == nil {
			t.Errorf("%s: node_exporter cannot read it: %v", name, err)
		}
	}
	golden(t, "few.openmetrics", []byte(openMetrics(t, labs()["few"])))
	golden(t, "hostile.openmetrics", []byte(openMetrics(t, labs()["hostile"])))
	// What is below the noise floor is no measurement.
	if text := openMetrics(t, labs()["noise"]); strings.Contains(text, "zombie_bytes{") {
		t.Error(text)
	}
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	if err := r.WriteOpenMetrics(writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }), time.Now()); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestLabelPairs(t *testing.T) {
	for want, params := range map[string][]results.Param{
		"":                             nil,
		`a_b="x\"y\\z" key_1a="1 2"`:   {{Key: "a-b", Value: `x"y\z`}, {Key: "empty", Value: ""}, {Key: "a_b", Value: "again"}, {Key: "1a", Value: "1\n2"}},
		`key___name__="x" key_="bare"`: {{Key: "__name__", Value: "x"}, {Key: "", Value: "bare"}},
	} {
		var got []string
		for _, p := range labelPairs(params) {
			got = append(got, p.GetName()+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.GetValue())+`"`)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
