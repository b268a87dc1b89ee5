// Package deploy holds what goes with the metrics of package exporter: alerting
// rules for Prometheus, a dashboard for Grafana and a unit for systemd.
package deploy

import (
	_ "embed"
	"fmt"
	"slices"
)

//go:embed alerts.yml
var alerts string

//go:embed dashboard.json
var dashboard string

//go:embed zombench-watch.service
var unit string

// Names returns what File knows.
func Names() []string { return []string{"alerts", "dashboard", "unit"} }

// File returns a file by its name.
func File(name string) (string, error) {
	switch i := slices.Index(Names(), name); i {
	case 0:
		return alerts, nil
	case 1:
		return dashboard, nil
	case 2:
		return unit, nil
	}
	return "", fmt.Errorf("unknown file %q; there are %q", name, Names())
}
