package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
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

// formats of zombench watch: it answers again and again, which no document does.
var watchFormats = []string{"auto", "table", "lines", "json"}

func newWatch() *cobra.Command {
	var o watchOptions
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
			if cmd.Flags().Changed("print") {
				return printDeploy(cmd.OutOrStdout(), o.file)
			}
			return watchHost(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&o.interval, "interval", 5*time.Second, "`TIME` between two reports, 100ms or more; no longer than --for")
	f.DurationVar(&o.duration, "for", 0, "stop after this `TIME` (default: when interrupted)")
	f.StringVar(&o.format, "format", "auto", "`FORMAT` of the reports: table, lines or json; auto is a table on a terminal and lines elsewhere")
	f.StringVar(&o.listen, "listen", "", "serve metrics at this `ADDRESS`, such as :9817")
	f.StringVar(&o.from, "from", "", "result `FILE` with the size of a zombie (default: as for zombench limits)")
	f.BoolVar(&o.noBPF, "no-bpf", false, "use no BPF: compare scans of /proc")
	f.StringVar(&o.file, "print", "", "print a `FILE` for use with the metrics: "+strings.Join(deploy.Names(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(watchFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("print", cobra.FixedCompletions(deploy.Names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func printDeploy(w io.Writer, name string) error {
	text, err := deploy.File(name)
	if err != nil {
		return usageErrorf("--print: %w", err)
	}
	_, err = io.WriteString(w, text)
	return err
}

func watchHost(ctx context.Context, stdout, stderr io.Writer, o watchOptions) error {
	switch {
	case !slices.Contains(watchFormats, o.format):
		return usageErrorf("--format: unknown format %q: want %s", o.format, strings.Join(watchFormats, ", "))
	case o.interval < 100*time.Millisecond:
		return usageErrorf("--interval: %v is too short; want 100ms or more", o.interval)
	case o.duration < 0:
		return usageErrorf("--for: %v; want 0 or more", o.duration)
	}
	here := measure.Host()
	machine, err := here.Machine()
	if err != nil {
		return err
	}
	each, err := findCost(o.from, machine)
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
	show, done := reportWriter(stdout, stderr, o.format, each.Assumed(), m.Unseen(), cancel)
	defer done()
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

// reportWriter returns what shows a report, and what ends the showing.
func reportWriter(stdout, stderr io.Writer, format, assumed string, unseen []string, quit func()) (show func(*watch.Report) error, done func()) {
	f, _ := stdout.(*os.File)
	if format == "auto" {
		format = "lines"
		if f != nil && progress.IsTerminal(f) {
			format = "table"
		}
	}
	if format == "table" && f != nil && progress.IsTerminal(f) {
		s, err := screen.Open(os.Stdin, f, quit)
		if err == nil {
			return func(r *watch.Report) error { return s.Show(host.Table(r, assumed, s.Width(), s.Height())) }, s.Close
		}
	}
	if format != "json" {
		for _, s := range unseen {
			fmt.Fprintln(stderr, "zombench:", s)
		}
	}
	switch format {
	case "json":
		e := json.NewEncoder(stdout)
		e.SetEscapeHTML(false)
		return func(r *watch.Report) error { return e.Encode(r) }, func() {}
	case "table":
		return func(r *watch.Report) error {
			_, err := io.WriteString(stdout, strings.Join(host.Table(r, assumed, 0, 0), "\n")+"\n\n")
			return err
		}, func() {}
	}
	return func(r *watch.Report) error {
		_, err := io.WriteString(stdout, strings.Join(host.Lines(r), "\n")+"\n")
		return err
	}, func() {}
}
