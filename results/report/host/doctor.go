package host

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombench/bench"
	"zombench/measure/limits"
	"zombench/results"
	"zombench/results/report"
)

// A Doctor is what zombench doctor says.
type Doctor struct {
	Survey     *bench.Host
	Zombied    string // path of the daemon
	ZombiedErr error
	Room       []limits.Headroom // for an army

	Watch    time.Duration // how long the host was watched for Watchers
	Watchers []results.Watcher
	WatchErr error
}

// Err is why nothing can be measured; nil if something can be.
func (d Doctor) Err() error {
	if d.ZombiedErr != nil {
		return d.ZombiedErr
	}
	for _, i := range d.Survey.Instruments.List {
		if i.Err == nil && len(i.Units) > 0 {
			return nil
		}
	}
	return errors.New("nothing can be measured here: no instrument can be read")
}

// Doc is the document.
func (d Doctor) Doc() report.Doc {
	m := d.Survey.Machine
	room := report.Table{Columns: []report.Column{{Name: "limit", Left: true}, {Name: "room for zombies"}, {Name: "where", Left: true}}}
	for _, l := range d.Room {
		if l.Bounded() {
			room.Row(l.Name, l.Fits, place(l.Limit))
		}
	}
	return report.Doc{
		Title: "What can be measured here",
		Facts: []string{fmt.Sprintf("Linux %s, %s, %s, pages of %d bytes", m.Kernel, m.GOARCH, report.Plural(m.CPUs, "CPU"), m.PageSize)},
		Sections: []report.Section{
			{Tables: []report.Table{d.instruments()}, Notes: []string{"units end in what they are divided by: slab-B/1000zombies is bytes of slab for 1000 zombies"}},
			{Heading: "Processes that walk /proc here", Facts: d.watchers()},
			{Heading: "Limits that an army would reach here, nearest first", Tables: []report.Table{room}},
		},
	}
}

// instruments has what there is to measure with, and what is missing.
func (d Doctor) instruments() report.Table {
	t := report.Table{Columns: []report.Column{
		{Name: "what", Left: true}, {Name: "here", Left: true}, {Name: "provides, or why not", Left: true}, {Name: "remedy", Left: true}}}
	add := func(what, provides string, err error, remedy string) {
		here := "ok"
		if err != nil {
			here, provides = "MISSING", err.Error()
		}
		t.Row(what, here, provides, remedy)
	}
	s := d.Survey
	add("zombied", d.Zombied, d.ZombiedErr, "")
	add("fresh cgroups", s.CgroupKind()+", below "+strings.Join(s.CgroupParents(), " and "), bench.NeedCgroup.Check(s), "")
	for _, i := range s.Instruments.List {
		add(i.Name, cmp.Or(strings.Join(i.Units, ", "), "no readings of its own: it makes the others less noisy"), i.Err, i.Remedy)
	}
	return t.WithoutEmpty()
}

// watchers says who walked over processes.
func (d Doctor) watchers() (lines []string) {
	switch {
	case d.Watch == 0:
		return []string{"unknown: --watch 0s"}
	case d.WatchErr != nil:
		return []string{fmt.Sprintf("unknown: %v", d.WatchErr)}
	case len(d.Watchers) == 0:
		return []string{fmt.Sprintf("none within %v", d.Watch)}
	}
	for _, w := range d.Watchers {
		pace := fmt.Sprintf("%s in %v", report.Plural(int(w.Looks), "time"), d.Watch)
		if w.Every > 0 {
			pace = fmt.Sprintf("every %.1f s", w.Every.Seconds())
		}
		lines = append(lines, fmt.Sprintf("%s walks /proc %s; what it allocates is counted separately", w.Name(), pace))
	}
	return lines
}
