// Package exporter serves what package watch reports as metrics, in the OpenMetrics
// format and that of Prometheus, and writes them for node_exporter.
//
// In flow reports, out flow metrics of the latest one. Their number is bounded:
// sets of labels beyond the first 200 count for the command "(other)".
package exporter

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"zombench/measure/lifecycle"
	"zombench/measure/watch"
)

// An Exporter is a prometheus.Collector of the latest report.
type Exporter struct {
	descs
	mu     sync.Mutex
	report *watch.Report
}

// New makes an Exporter without a report, which has no metrics.
func New() *Exporter { return &Exporter{descs: newDescs()} }

// Update makes a report the latest. It must not be changed afterwards.
func (e *Exporter) Update(r *watch.Report) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report = r
}

var parentLabels = []string{"command", "unit", "pod", "container"}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("zombie_"+name, help, labels, nil)
}

// The metrics. Counters begin with the program.
type descs struct {
	children, births, reaps, latency, oldest, bytes, growth    *prometheus.Desc
	headroom, secondsLeft, leaders, removed, lost, untimed, up *prometheus.Desc
}

func newDescs() descs {
	return descs{
		children:    desc("children", "Zombies that stand, by the parent that has to reap them.", parentLabels...),
		births:      desc("births_total", "Processes that died, by their parent.", parentLabels...),
		reaps:       desc("reaps_total", "Dead processes that were reaped, by the parent that they died under.", parentLabels...),
		latency:     desc("reap_latency_seconds", "How long the dead waited to be reaped."),
		oldest:      desc("oldest_seconds", "How long the oldest zombie has been dead, by parent.", parentLabels...),
		bytes:       desc("bytes", "Kernel memory that the zombies hold, by parent, as far as their number tells.", parentLabels...),
		growth:      desc("growth_per_second", "How fast the zombies become more, net of those that are reaped."),
		headroom:    desc("limit_headroom", "How many more zombies fit under a limit.", "limit", "where"),
		secondsLeft: desc("limit_seconds_left", "When a limit is reached at the present growth; absent if nothing grows towards it.", "limit", "where"),
		leaders:     desc("leaders_with_live_threads", "Processes that look like zombies, of which other threads live: nothing of them is freed."),
		removed:     desc("removed_cgroups", "Cgroups that were removed and that zombies keep in memory."),
		lost:        desc("events_lost_total", "Births, deaths and reaps that the kernel did not pass on."),
		untimed:     desc("deaths_untimed_total", "Deaths that were not timed, for want of room or because the kernel did not pass on the reap; they are in no latency."),
		up:          desc("watch_sees_all", "1 if births and reaps are followed by BPF, 0 if scans of /proc are compared."),
	}
}

// Describe is a part of prometheus.Collector.
func (e *Exporter) Describe(ch chan<- *prometheus.Desc) {
	d := e.descs
	for _, x := range []*prometheus.Desc{d.children, d.births, d.reaps, d.latency, d.oldest, d.bytes, d.growth,
		d.headroom, d.secondsLeft, d.leaders, d.removed, d.lost, d.untimed, d.up} {
		ch <- x
	}
}

// Collect is a part of prometheus.Collector.
func (e *Exporter) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	r := e.report
	e.mu.Unlock()
	if r == nil {
		return
	}
	d := e.descs
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	counter := func(desc *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	for key, p := range byLabels(r.Parents) {
		labels := values(key)
		gauge(d.children, float64(p.zombies), labels...)
		gauge(d.bytes, float64(p.bytes), labels...)
		if p.oldest > 0 {
			gauge(d.oldest, p.oldest.Seconds(), labels...)
		}
	}
	for _, f := range r.Forecasts {
		gauge(d.headroom, float64(f.Headroom), f.Limit, f.Where)
		if f.Grows {
			gauge(d.secondsLeft, f.In.Seconds(), f.Limit, f.Where)
		}
	}
	gauge(d.leaders, float64(len(r.Leaders)))
	gauge(d.removed, float64(r.Removed))
	if r.Elapsed == 0 {
		return // a single scan
	}
	gauge(d.growth, r.Growth.PerSecond)
	sees := 0.0
	if r.Source == watch.BPF {
		sees = 1
		counter(d.lost, r.Lost)
		counter(d.untimed, r.Untimed)
		ch <- histogram(d.latency, r.Histogram)
		for _, l := range r.Labelled {
			labels := values(l.Labels)
			counter(d.births, l.Deaths, labels...)
			counter(d.reaps, l.Reaps, labels...)
		}
	}
	gauge(d.up, sees)
}

func values(l watch.Labels) []string {
	return []string{l.Command, l.Unit, l.Pod, l.Container}
}

type sum struct {
	zombies int
	bytes   uint64
	oldest  time.Duration
}

// byLabels sums up parents of the same labels.
func byLabels(parents []watch.Parent) map[watch.Labels]*sum {
	all := make(map[watch.Labels]*sum)
	for _, p := range parents {
		k := watch.Labels{Command: p.Name, Place: p.Place}
		if all[k] == nil {
			all[k] = new(sum)
		}
		s := all[k]
		s.zombies += p.Zombies
		s.bytes += p.Bytes
		if p.Oldest != nil {
			s.oldest = max(s.oldest, *p.Oldest)
		}
	}
	return all
}

// histogram has a bucket for each decade and two between, from a millisecond to a day.
func histogram(desc *prometheus.Desc, l lifecycle.Latency) prometheus.Metric {
	buckets := make(map[float64]uint64)
	for _, bound := range bounds() {
		var n uint64
		for i, count := range l.Buckets {
			if _, hi := lifecycle.Bucket(i); hi <= bound*9/8 { // the bucket that a bound falls into counts
				n += uint64(count)
			}
		}
		buckets[bound.Seconds()] = n
	}
	var n uint64
	for _, count := range l.Buckets {
		n += uint64(count)
	}
	return prometheus.MustNewConstHistogram(desc, n, l.Sum.Seconds(), buckets)
}

func bounds() []time.Duration {
	var all []time.Duration
	for d := time.Millisecond; d <= 100_000*time.Second; d *= 10 {
		all = append(all, d, d*5/2, d*5)
	}
	return all
}

// registry has the metrics and nothing else.
func (e *Exporter) registry() (*prometheus.Registry, error) {
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(e); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return r, nil
}

// Handler serves the metrics at /metrics, and at / a page that says so.
func (e *Exporter) Handler() (http.Handler, error) {
	r, err := e.registry()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>zombench watch</title><p>Zombies of this host as <a href="/metrics">metrics</a>.`)
	})
	return mux, nil
}

// Serve listens at an address and serves what Handler does, until stop. An address
// without a host is loopback. What ends it otherwise goes to failed.
func (e *Exporter) Serve(address string, failed chan<- error) (at net.Addr, stop func() error, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	handler, err := e.Handler()
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port))
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving metrics: %w", err)
		}
	}()
	return listener.Addr(), server.Close, nil
}

// WriteTextfile writes the metrics to a file for node_exporter's textfile
// collector, at once: it is replaced by rename(2).
func (e *Exporter) WriteTextfile(path string) error {
	r, err := e.registry()
	if err != nil {
		return err
	}
	if err := prometheus.WriteToTextfile(path, r); err != nil {
		return fmt.Errorf("writing metrics: %w", err)
	}
	return nil
}
