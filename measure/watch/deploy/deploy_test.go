package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zombench/measure/lifecycle"
	"zombench/measure/watch"
	"zombench/measure/watch/exporter"
)

var alerts, dashboard, unit = text("alerts"), text("dashboard"), text("unit")

// text is a file, "" if there is none.
func text(name string) string { s, _ := File(name); return s }

// Prometheus's own tool runs the rules over series, a leak, its end, and parents
// that do not leak.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: prometheus)")
	}
	dir := t.TempDir()
	tests, err := os.ReadFile("testdata/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"alerts.yml": alerts, "alerts_test.yml": string(tests)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	test := func(text string) error {
		if err := os.WriteFile(filepath.Join(dir, "alerts.yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(promtool, "test", "rules", "alerts_test.yml")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	if err := test(alerts); err != nil {
		t.Error(err)
	}
	// The check can fail: it does with another threshold.
	if test(strings.Replace(alerts, "zombie_children > 50", "zombie_children > 50000", 1)) == nil {
		t.Error("a rule that never fires passes")
	}
}

// Every metric that the rules and the dashboard speak of is one that is served.
func TestMetricsExist(t *testing.T) {
	e := exporter.New()
	oldest := time.Second
	e.Update(&watch.Report{Elapsed: time.Second, Source: watch.BPF,
		Parents:   []watch.Parent{{Name: "a", Zombies: 1, Oldest: &oldest}},
		Forecasts: []watch.Forecast{{Limit: "pids.max", Grows: true}},
		Labelled:  []watch.Labelled{{Labels: watch.Labels{Command: "a"}}}, Histogram: lifecycle.Latency{Count: 1},
	})
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(e)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := make(map[string]bool)
	for _, f := range families {
		served[f.GetName()] = true
		served[f.GetName()+"_bucket"] = true
	}
	if !json.Valid([]byte(dashboard)) {
		t.Error("the dashboard is no JSON")
	}
	names := regexp.MustCompile(`zombie_[a-z_]+`)
	for _, text := range []string{alerts, dashboard} {
		found := names.FindAllString(text, -1)
		if len(found) < 5 {
			t.Error("no metrics")
		}
		for _, name := range found {
			if !served[name] {
				t.Errorf("%s is not served", name)
			}
		}
	}
}

// systemd finds nothing wrong with the unit.
func TestUnit(t *testing.T) {
	if !strings.Contains(unit, "CapabilityBoundingSet=CAP_BPF CAP_PERFMON\n") {
		t.Error(unit)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "zombench-watch.service")
	text := strings.Replace(unit, "/usr/local/bin/zombench", self, 1)
	text = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(text, "") // the page need not be installed
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "zombench-watch.service:") {
		t.Errorf("%v\n%s", err, out)
	}
}
