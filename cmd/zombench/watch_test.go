package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombench/measure/measuretest"
	"zombench/measure/procs"
	"zombench/measure/watch"
	"zombench/measure/watch/deploy"
)

// The check says in one line what is wrong, and ends as Nagios expects.
func TestPsCheck(t *testing.T) {
	for _, tt := range []struct {
		warn, crit, status int
		want               string
	}{
		{100, 1000, 0, "ZOMBIES OK - 53 zombies, 30 of them of 1000 (/usr/bin/server --port 80); 1 process of which only the main thread has ended | zombies=53;100;1000;0\n"},
		{53, 1000, 1, "ZOMBIES WARNING - "},
		{10, 53, 2, "ZOMBIES CRITICAL - "},
		{-1, 54, 0, "| zombies=53;;54;0\n"},
		{53, -1, 1, "| zombies=53;53;;0\n"},
	} {
		kernel := machine(t, measuretest.Village(), nil)
		var out, errs bytes.Buffer
		err := ps(&out, &errs, kernel, procs.ByProc(kernel), nil, psOptions{format: "text", warn: tt.warn, crit: tt.crit})
		if got := exitCode(&errs, err); got != tt.status || !strings.Contains(out.String(), tt.want) || strings.Count(out.String(), "\n") != 1 || errs.Len() > 0 {
			t.Errorf("--warn %d --crit %d: status %d, %q, %q", tt.warn, tt.crit, got, &out, &errs)
		}
	}
	// What cannot be known is status 3, never 0.
	var out bytes.Buffer
	kernel := machine(t, nil, nil)
	fails := func(func(procs.Task)) error { return errors.New("no way") }
	if err := ps(&out, &out, kernel, fails, nil, psOptions{format: "text", warn: 1, crit: -1}); exitCode(&out, err) != 3 || out.String() != "ZOMBIES UNKNOWN - no way\n" {
		t.Errorf("%q", &out)
	}
}

func TestPsTextfile(t *testing.T) {
	kernel := machine(t, measuretest.Village(), nil)
	file := filepath.Join(t.TempDir(), "zombies.prom")
	var out bytes.Buffer
	if err := ps(&out, &out, kernel, procs.ByProc(kernel), nil, psOptions{format: "text", textfile: file, warn: -1, crit: -1}); err != nil || out.Len() > 0 {
		t.Fatal(err, &out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`zombie_children{command="server",container="",pod="",unit="server.service"} 30`,
		`zombie_leaders_with_live_threads 1`,
		`zombie_limit_headroom{limit="kernel.pid_max"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "zombie_watch_sees_all") || strings.Contains(string(text), "_total") {
		t.Errorf("a single scan has no rates:\n%s", text)
	}
	promtool(t, file, "check", "metrics")
}

// promtool runs Prometheus's own tool, if it is installed, with a file as input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed")
		return
	}
	cmd := exec.Command(path, args...)
	if input != "" {
		if cmd.Stdin, err = os.Open(input); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestPrintDeploy(t *testing.T) {
	for _, name := range deploy.Names() {
		var out bytes.Buffer
		if err := printDeploy(&out, name); err != nil || out.Len() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var out bytes.Buffer
	if err := printDeploy(&out, "nonsense"); exitCode(&out, err) != usageStatus {
		t.Error(err)
	}
}

func TestWatchUsage(t *testing.T) {
	for _, o := range []watchOptions{
		{format: "html", interval: time.Second},
		{format: "json", interval: time.Millisecond},
		{format: "json", interval: time.Second, duration: -1},
	} {
		var out bytes.Buffer
		if err := watchHost(t.Context(), &out, &out, o); exitCode(&out, err) != usageStatus {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func sampleReport() *watch.Report {
	arose, reaped := uint64(35), uint64(0)
	oldest := 90 * time.Second
	return &watch.Report{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 5 * time.Second, Source: watch.BPF,
		Zombies: 630, Bytes: 6_520_500, Arose: &arose, Reaped: &reaped, Born: &arose,
		Growth:  watch.Growth{PerSecond: 7, Lo: 6.9, Hi: 7.1, Known: true, Leak: true},
		Latency: &watch.Waits{Count: 5, P50: 2 * time.Second, P99: 3 * time.Second, Longest: 4 * time.Second},
		Parents: []watch.Parent{{
			PID: 4711, Name: "server", Child: "health.sh", Place: procs.Place{Unit: "server.service"}, Zombies: 630, Bytes: 6_520_500,
			Arose: 35, Growth: watch.Growth{PerSecond: 7, Lo: 6.9, Hi: 7.1, Known: true, Leak: true}, Oldest: &oldest,
		}},
		Forecasts: []watch.Forecast{{Limit: "pids.max", Where: "/sys/fs/cgroup/a/pids.max", Headroom: 1400, Grows: true, In: 200 * time.Second, Lo: 195 * time.Second, Hi: 205 * time.Second}},
		Leaders:   []procs.Leader{{PID: 5, Command: "java", Threads: 3, States: map[string]int{"D": 2, "S": 1}, Waits: []string{"rpc_wait_bit_killable"}}},
		Lost:      2,
	}
}

func TestWatchText(t *testing.T) {
	r := sampleReport()
	lines := strings.Join(watchLines(r), "\n")
	for _, want := range []string{
		"03:04:05 630 zombies, 7.0 arise and 0.0 are reaped a second, they grow by 7 (6.9 to 7.1) a second; the dead wait 2s (p99 3s)",
		"pids.max is reached in 3 min 20 s (3 min 15 s to 3 min 25 s), after 1400 zombies more, at /sys/fs/cgroup/a/pids.max",
		"4711 server server.service leaks: 630 zombies, 7 (6.9 to 7.1) a second",
		"5 (java) is no zombie: its main thread has ended, 3 others live, 2 of them cannot be interrupted (in rpc_wait_bit_killable)",
		"2 events lost",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
	for _, width := range []int{20, 80, 200} {
		for _, height := range []int{3, 24} {
			table := watchTable(r, "", width, height)
			if len(table) > height {
				t.Errorf("%d lines of %d", len(table), height)
			}
			for _, line := range table {
				if n := len([]rune(line)); n > width {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
			}
		}
	}
	if table := strings.Join(watchTable(r, "", 0, 0), "\n"); !strings.Contains(table, "server (health.sh)") || !strings.Contains(table, "+7") {
		t.Error(table)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
