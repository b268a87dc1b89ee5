package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench/progress"
	"zombench/measure"
	"zombench/measure/lifecycle"
	"zombench/measure/watch"
	"zombench/measure/watch/deploy"
	"zombench/measure/watch/exporter"
	"zombench/measure/watch/screen"
	"zombench/results/report/host"
)

// watchOptions are the flags of zombench watch.
type watchOptions struct {
	interval, duration time.Duration
	listen             string
	format             string
	from               string
	file               string
	noBPF              bool
}

func newWatch() *cobra.Command {
	o := watchOptions{interval: 5 * time.Second, format: "auto"}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow which processes leave zombies, how fast, and when a limit is reached",
		Long: `Watch follows births, deaths and reaps of all processes by BPF tracepoints
(Linux 5.8 with BTF; root, or CAP_BPF and CAP_PERFMON): for each parent, how many
zombies there are, how many appear and are reaped, how long they wait to be reaped,
and whether their number grows; and when each limit is reached at that rate, with an
interval. It does not walk /proc. Without BPF it compares scans of /proc, and reports
what those miss.

On a terminal it shows a table (q quits), elsewhere it prints a line for each
interval and one for each parent that leaks. --format json prints one object a line.

--listen ADDRESS serves metrics for Prometheus at /metrics; an address without a
host means 127.0.0.1. --print writes what goes with them: alerting rules, a Grafana
dashboard, a systemd unit.`,
		Example: `  zombench watch --for 5s
  zombench watch --interval 1s --for 10s --format json
  zombench watch --listen :9817 --for 5s
  zombench watch --print alerts > /etc/prometheus/zombies.yml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.file != "" {
				text, err := deploy.File(o.file)
				if err == nil {
					_, err = io.WriteString(cmd.OutOrStdout(), text)
				}
				return err
			}
			return watchHost(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	durationFlag(f, &o.interval, "interval", 100*time.Millisecond, "`TIME` between two reports, 100ms or more; no longer than --for")
	durationFlag(f, &o.duration, "for", 0, "stop after this `TIME` (default: when interrupted)")
	choiceFlag(cmd, &o.format, "format", "`FORMAT` of the reports; auto is a table on a terminal and lines elsewhere", "auto", "table", "lines", "json")
	f.StringVar(&o.listen, "listen", "", "serve metrics at this `ADDRESS`, such as :9817")
	f.StringVar(&o.from, "from", "", "result `FILE` with the size of a zombie (default: as for zombench limits)")
	f.BoolVar(&o.noBPF, "no-bpf", false, "use no BPF: compare scans of /proc")
	choiceFlag(cmd, &o.file, "print", "print a `FILE` for use with the metrics", deploy.Names()...)
	return cmd
}

func watchHost(ctx context.Context, stdout, stderr io.Writer, o watchOptions) error {
	here := measure.Host()
	each, err := findCost(here, o.from)
	if err != nil {
		return err
	}
	m, err := watch.Open(watch.Options{FS: here, Pages: each.Pages, Charge: each.Charge, Room: lifecycle.DefaultRoom(), NoBPF: o.noBPF})
	if err != nil {
		return err
	}
	defer m.Close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.duration > 0 {
		o.interval = min(o.interval, o.duration)
		// Half an interval more, so that the last one is whole.
		ctx, cancel = context.WithTimeout(ctx, o.duration+min(o.interval/2, time.Second/2))
		defer cancel()
	}
	metrics := exporter.New()
	failed := make(chan error, 1)
	if o.listen != "" {
		address, stop, err := metrics.Serve(o.listen, failed)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		defer stop()
		fmt.Fprintf(stderr, "zombench: metrics at http://%s/metrics\n", address)
	}
	terminal, _ := stdout.(*os.File)
	if !progress.IsTerminal(stdout) {
		terminal = nil
	}
	if o.format == "auto" {
		if o.format = "lines"; terminal != nil {
			o.format = "table"
		}
	}
	show := func(r *watch.Report) error { return host.WriteReport(stdout, r, o.format, each.Assumed()) }
	var s *screen.Screen
	if o.format == "table" && terminal != nil {
		if s, err = screen.Open(os.Stdin, terminal, cancel); err == nil {
			defer s.Close()
			show = func(r *watch.Report) error {
				width, height := s.Size()
				return s.Show(host.Table(r, each.Assumed(), width, height))
			}
		}
	}
	if s == nil && o.format != "json" { // these have it in each report
		for _, what := range m.Unseen() {
			fmt.Fprintln(stderr, "zombench:", what)
		}
	}
	return m.Run(ctx, o.interval, func(r *watch.Report) error {
		metrics.Update(r)
		select {
		case err := <-failed:
			return err
		default:
			return show(r)
		}
	})
}
