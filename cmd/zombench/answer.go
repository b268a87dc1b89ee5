package main

import (
	"bytes"
	"io"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/results"
	"zombench/results/figure"
	"zombench/results/report"
)

// formatFlag adds the flag of a command's format, which means the same for all.
func formatFlag(cmd *cobra.Command, format *report.Format) {
	*format = report.Text
	choiceFlag(cmd, format, "format", "output `FORMAT`", report.Formats()...)
}

// answerFlags say how what was measured is answered.
type answerFlags struct {
	query   report.Query
	format  report.Format
	plot    plotFlags
	metrics string
}

func (a *answerFlags) register(cmd *cobra.Command) {
	formatFlag(cmd, &a.format)
	flags := cmd.Flags()
	a.query.Per = 1000
	flags.Var(bench.Int(&a.query.Per, 1, many), "per", "report memory per `N` zombies")
	a.plot.register(flags)
	_ = cmd.MarkFlagFilename("plot", "svg", "png")
	complete(cmd, "figure", listed(func([]string) []string { return figure.Names() }))
	flags.StringVar(&a.metrics, "openmetrics", "", "write metrics to this `FILE`, for node_exporter's textfile collector")
}

// check reports flags that would fail only after the measurement.
func (a *answerFlags) check() error {
	if a.metrics != "" {
		if err := checkDir(a.metrics); err != nil {
			return err
		}
	}
	return a.plot.check()
}

// write answers by what a set of results says: prints the document, and writes
// what else was asked for.
func (a *answerFlags) write(w io.Writer, set *results.Set) error {
	r, err := report.New(set, a.query)
	if err != nil {
		return queryError(err)
	}
	doc := r.Doc()
	if err := a.plot.draw(doc); err != nil {
		return err
	}
	if a.metrics != "" {
		if err := results.WriteFile(a.metrics, func(w io.Writer) error { return r.WriteOpenMetrics(w, time.Now()) }); err != nil {
			return err
		}
	}
	return doc.Write(w, a.format)
}

// measured reads back what a run has written.
func measured(written []byte) (*results.Set, []error) {
	return results.Read(bytes.NewReader(written), "what was measured")
}
