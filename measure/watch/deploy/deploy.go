// Package deploy holds what goes with the metrics of package exporter: alerting
// rules for Prometheus, a dashboard for Grafana and a unit for systemd.
package deploy

import (
	"embed"
	"fmt"
)

//go:embed alerts.yml dashboard.json zombench-watch.service
var files embed.FS

// Names returns what File knows.
func Names() []string { return []string{"alerts", "dashboard", "unit"} }

// File returns a file by its name.
func File(name string) (string, error) {
	file, ok := map[string]string{"alerts": "alerts.yml", "dashboard": "dashboard.json", "unit": "zombench-watch.service"}[name]
	if !ok {
		return "", fmt.Errorf("unknown file %q; there are %q", name, Names())
	}
	text, err := files.ReadFile(file)
	return string(text), err
}
