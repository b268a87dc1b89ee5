package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombench/measure"
	"zombench/measure/watch/deploy"
	"zombench/measure/zombietest"
)

// freePort returns the number of a port that nobody has at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// background starts a program that ends with the test.
func background(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: prometheus, prometheus-node-exporter)", name)
	}
	cmd := exec.Command(path, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, out.Bytes())
		}
	})
}

// fetch polls an address until what it says is as it should be.
func fetch(t *testing.T, url string, most time.Duration, ok func(body string) bool) {
	t.Helper()
	last := ""
	for start := time.Now(); time.Since(start) < most; time.Sleep(200 * time.Millisecond) {
		r, err := http.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if last = string(body); err == nil && ok(last) {
			return
		}
	}
	t.Fatalf("%s: after %v: %s", url, most, last)
}

// The real Prometheus scrapes the metrics; the alert for a leak, its times made
// shorter, fires and is resolved after the reap.
func TestPrometheus(t *testing.T) {
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("needs root and half a minute")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := deploy.File("alerts")
	if err != nil {
		t.Fatal(err)
	}
	write("alerts.yml", strings.NewReplacer("2m", "6s", "1m", "2s").Replace(rules))
	watchPort, port := freePort(t), freePort(t)
	write("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}
rule_files: [alerts.yml]
scrape_configs: [{job_name: zombench, static_configs: [{targets: ["127.0.0.1:%d"]}]}]
`, watchPort))
	background(t, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var out, errs bytes.Buffer
	go func() {
		ended <- watchHost(ctx, &out, &errs, watchOptions{interval: time.Second, format: "json", listen: fmt.Sprintf(":%d", watchPort)})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	leak := zombietest.Start(t, `$0 = "leaks-zombies"; while (1) { my $pid = fork; defined $pid and !$pid and exit; select undef, undef, undef, 0.04;
		my $r = ""; vec($r, fileno(STDIN), 1) = 1; if (select($r, undef, undef, 0)) { <STDIN>; last } }
		1 while wait > 0; sleep 1 while 1`)
	api := fmt.Sprintf("http://127.0.0.1:%d/api/v1/", port)
	firing := func(body string) bool {
		var a struct {
			Data struct {
				Alerts []struct {
					Labels map[string]string
					State  string
				}
			}
		}
		if json.Unmarshal([]byte(body), &a) != nil {
			return false
		}
		for _, x := range a.Data.Alerts {
			if x.Labels["alertname"] == "ZombieLeak" && x.Labels["command"] == "leaks-zombies" && x.State == "firing" {
				return true
			}
		}
		return false
	}
	fetch(t, api+"alerts", time.Minute, firing)
	fetch(t, api+"query?query=zombie_children", 5*time.Second, func(body string) bool { return strings.Contains(body, `"command":"leaks-zombies"`) })
	leak.Say(t, "reap")
	fetch(t, api+"alerts", time.Minute, func(body string) bool { return strings.Contains(body, "alerts") && !firing(body) })

	// The page is there, and takes nothing.
	r, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/metrics", watchPort), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %s", r.Status)
	}
	request, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/metrics", watchPort), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text")
	if r, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || !strings.HasSuffix(string(body), "# EOF\n") {
		t.Errorf("no OpenMetrics: %v\n%s", err, body)
	}
	if !strings.Contains(string(body), "zombie_reap_latency_seconds_bucket") {
		t.Logf("without BPF:\n%s", &errs)
	}
}

// node_exporter serves what ps writes.
func TestNodeExporter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	zombietest.Army(t, 20)
	dir := t.TempDir()
	source, done, why := findSource()
	defer done()
	var out bytes.Buffer
	err := ps(&out, &out, measure.Host(), source, why, psOptions{format: "text", textfile: filepath.Join(dir, "zombies.prom"), warn: -1, crit: -1})
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	background(t, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir,
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	fetch(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), 20*time.Second, func(body string) bool {
		return strings.Contains(body, `zombie_children{command="perl"`) && strings.Contains(body, "node_textfile_scrape_error 0")
	})
}
