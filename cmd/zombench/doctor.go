package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results/report"
	"zombench/results/report/host"
)

func newDoctor() *cobra.Command {
	var zombied, format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what can be measured here, and how to enable the rest",
		Long: `Doctor tries every instrument, and says of each that is missing why it is and
what enables it. It also says how large an army this machine would carry, and
which limit would be reached first.

Exit status: 0 if zombench run works here, even with some instruments missing;
1 if it does not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return doctor(cmd.OutOrStdout(), measure.Host(), zombied, format)
		},
	}
	cmd.Flags().StringVar(&zombied, "zombied", "", "`PATH` of the daemon (default: beside zombench, then on PATH)")
	formatFlag(cmd, &format)
	return cmd
}

func doctor(w io.Writer, fs measure.FS, zombied, format string) error {
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
	zombiedPath, zombiedErr := findZombied(zombied)
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
		{Heading: "Limits that an army reaches here, the nearest first", Tables: []report.Table{room}},
	}
	if err := writeDoc(w, d, format); err != nil {
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
		{Name: "what", Left: true}, {Name: "here", Left: true}, {Name: "gives, or why not", Left: true}, {Name: "remedy", Left: true}}}
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
