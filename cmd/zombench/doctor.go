package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/janitor"
	"zombench/bench/watchers"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results"
	"zombench/results/report"
	"zombench/results/report/host"
)

func newDoctor() *cobra.Command {
	var zombied string
	var format report.Format
	var watch time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what can be measured here, and how to enable the rest",
		Long: `Doctor tries every instrument, and reports why one is missing and how to enable it.
It also reports how many zombies would fit on this machine, which limit would be
reached first, and which processes walk /proc: a monitor, an agent, an init. Results
count separately what these allocate and what zombies hold.

Exit status: 0 if zombench run works here, even if some instruments are missing;
1 if it does not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return doctor(cmd.Context(), cmd.OutOrStdout(), measure.Host(), zombied, format, watch)
		},
	}
	cmd.Flags().StringVar(&zombied, "zombied", "", "`PATH` of the daemon (default: beside zombench, then on PATH)")
	cmd.Flags().DurationVar(&watch, "watch", 5*time.Second, "how long to watch for processes that walk /proc; 0: do not watch")
	formatFlag(cmd, &format)
	return cmd
}

func doctor(ctx context.Context, w io.Writer, fs measure.FS, zombied string, format report.Format, watch time.Duration) error {
	zombiedPath, zombiedErr := findZombied(zombied)
	who := []string{"not watched for"}
	switch {
	case watch > 0 && zombiedErr == nil:
		found, err := watchers.Find(ctx, bench.Options{FS: fs, Zombied: zombiedPath, LockPath: janitor.Path()}, watch)
		if ctx.Err() != nil {
			return interrupted(ctx, "while looking for watchers")
		}
		who = whoLooks(found, watch, err)
	case zombiedErr != nil:
		who = whoLooks(nil, watch, zombiedErr)
	}
	survey, err := bench.Survey(fs)
	if err != nil {
		return err
	}
	defer survey.Close()
	m := survey.Machine
	d := report.Doc{
		Title: "What can be measured here",
		Facts: []string{fmt.Sprintf("Linux %s, %s, %s, pages of %d bytes", m.Kernel, m.GOARCH, host.Plural(m.CPUs, "CPU"), m.PageSize)},
	}
	instruments, able := instrumentsTable(survey, zombiedPath, zombiedErr)
	each, err := host.FindCost("", m)
	if err != nil {
		return err
	}
	room, err := roomTable(fs, each)
	if err != nil {
		return err
	}
	d.Sections = []report.Section{
		{Tables: []report.Table{instruments}},
		{Heading: "Processes that walk /proc here", Facts: who},
		{Heading: "Limits that an army would reach here, nearest first", Tables: []report.Table{room}},
	}
	if err := d.Write(w, format); err != nil {
		return err
	}
	switch {
	case zombiedErr != nil:
		return zombiedErr
	case !able:
		return errors.New("nothing can be measured here: no instrument can be read")
	}
	return nil
}

// instrumentsTable has what there is to measure with, and what is missing; able
// reports whether anything can be measured at all.
func instrumentsTable(survey *bench.Host, zombied string, zombiedErr error) (t report.Table, able bool) {
	t = report.Table{Columns: []report.Column{
		{Name: "what", Left: true}, {Name: "here", Left: true}, {Name: "provides, or why not", Left: true}, {Name: "remedy", Left: true}}}
	add := func(what, gives string, err error, remedy string) {
		here := "ok"
		if err != nil {
			here, gives = "MISSING", err.Error()
		}
		t.Rows = append(t.Rows, []report.Cell{report.Words(what), report.Words(here), report.Words(gives), report.Words(remedy)})
	}
	add("zombied", zombied, zombiedErr, "")
	add("fresh cgroups", fmt.Sprintf("%s, below %s", survey.CgroupKind(), strings.Join(survey.CgroupParents(), " and ")), bench.NeedCgroup.Check(survey), "")
	for _, i := range survey.Instruments.List {
		add(i.Name, strings.Join(i.Units, ", "), i.Err, i.Remedy)
		able = able || i.Err == nil && len(i.Units) > 0
	}
	return t.WithoutEmpty(), able
}

// roomTable has the limits that an army of this program reaches here.
func roomTable(fs measure.FS, each host.Cost) (report.Table, error) {
	t := report.Table{Columns: []report.Column{{Name: "limit", Left: true}, {Name: "room for zombies"}, {Name: "where", Left: true}}}
	found, err := limits.ReadHeadroom(fs, each.Query(limits.Query{ExtraTasks: bench.SpareTasks}))
	if err != nil {
		return t, err
	}
	for _, l := range found {
		if l.Bounded() {
			t.Rows = append(t.Rows, []report.Cell{report.Words(l.Name), report.Number(float64(l.Fits), fmt.Sprint(l.Fits)), report.Words(host.Place(l.Limit))})
		}
	}
	return t, nil
}

// whoLooks says who walked over processes in so much time.
func whoLooks(found []results.Watcher, watch time.Duration, err error) (lines []string) {
	switch {
	case err != nil:
		return []string{fmt.Sprintf("unknown: %v", err)}
	case len(found) == 0:
		return []string{fmt.Sprintf("none within %v", watch)}
	}
	for _, w := range found {
		pace := fmt.Sprintf("%s in %v", host.Plural(int(w.Looks), "time"), watch)
		if w.Every > 0 {
			pace = fmt.Sprintf("every %.1f s", w.Every.Seconds())
		}
		lines = append(lines, fmt.Sprintf("%s walks /proc %s; what it allocates is counted separately", w.Name(), pace))
	}
	return lines
}
