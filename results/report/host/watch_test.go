package host

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"zombench/measure/procs"
	"zombench/measure/watch"
)

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
	lines := strings.Join(Lines(r), "\n")
	for _, want := range []string{
		"03:04:05 630 zombies, 7.0 appear and 0.0 are reaped a second, growing by 7 (6.9 to 7.1) a second; reaped after 2s (p99 3s)",
		"pids.max is reached in 3 min 20 s (3 min 15 s to 3 min 25 s), after 1400 zombies more, at /sys/fs/cgroup/a/pids.max",
		"4711 server server.service leaks: 630 zombies, 7 (6.9 to 7.1) a second",
		"5 (java) is not a zombie: its main thread has ended, 3 others live, 2 of them cannot be interrupted (in rpc_wait_bit_killable)",
		"2 events lost",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
	for _, width := range []int{20, 80, 200} {
		for _, height := range []int{3, 24} {
			table := Table(r, "", width, height)
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
	if table := strings.Join(Table(r, "", 0, 0), "\n"); !strings.Contains(table, "server (health.sh)") || !strings.Contains(table, "+7") {
		t.Error(table)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
