package host

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"zombench/measure/watch"
	"zombench/results/report"
)

// summary says in a sentence how it stands.
func summary(r *watch.Report) string {
	s := report.Plural(r.Zombies, "zombie")
	if r.Arose != nil {
		s += fmt.Sprintf(", %s appear and %s are reaped a second", perSecond(*r.Arose, r.Elapsed), perSecond(*r.Reaped, r.Elapsed))
	}
	switch {
	case r.Growth.Leak:
		s += fmt.Sprintf(", growing by %s a second", rateText(r.Growth))
	case r.Growth.Known:
		s += ", not growing"
	}
	if r.Latency != nil {
		s += fmt.Sprintf("; reaped after %s (p99 %s)", shortDuration(r.Latency.P50), shortDuration(r.Latency.P99))
	}
	return s
}

// forecast says which limit is reached first; "" if none comes nearer.
func forecast(r *watch.Report) string {
	if len(r.Forecasts) == 0 || !r.Forecasts[0].Grows {
		return ""
	}
	f := r.Forecasts[0]
	s := fmt.Sprintf("%s is reached in %s", f.Limit, Duration(f.In, f.In < watch.Never))
	if f.Hi < watch.Never {
		s += fmt.Sprintf(" (%s to %s)", Duration(f.Lo, true), Duration(f.Hi, true))
	} else {
		s += fmt.Sprintf(" (%s at the earliest)", Duration(f.Lo, f.Lo < watch.Never))
	}
	return s + fmt.Sprintf(", after %s more, at %s", report.Plural(f.Headroom, "zombie"), f.Where)
}

// Lines are the plain lines of a report: of the whole, of each limit that
// comes nearer first, of each parent that leaks, of what was missed.
func Lines(r *watch.Report) []string {
	at := r.Time.Format("15:04:05 ")
	lines := []string{at + summary(r)}
	if s := forecast(r); s != "" {
		lines = append(lines, at+s)
	}
	for _, p := range r.Parents {
		if p.Growth.Leak {
			lines = append(lines, at+fmt.Sprintf("%s leaks: %s, %s a second", who(p), report.Plural(p.Zombies, "zombie"), rateText(p.Growth)))
		}
	}
	for _, l := range r.Leaders {
		lines = append(lines, at+l.Verdict())
	}
	return append(lines, missed(r)...)
}

// who names a parent.
func who(p watch.Parent) string {
	s := fmt.Sprintf("%d %s", p.PID, p.Name)
	switch {
	case p.PID == 0:
		s = "(outside of this pid namespace) " + p.Name
	case p.Ended:
		s += " (has ended)"
	}
	for _, place := range []string{p.Unit, p.Pod, p.Container} {
		if place != "" {
			s += " " + place
		}
	}
	return s
}

// missed says what a report does not know.
func missed(r *watch.Report) []string {
	var lines []string
	if r.Lost > 0 {
		lines = append(lines, fmt.Sprintf("%s lost since the start: the counts are too low by as many", report.Plural(r.Lost, "event")))
	}
	if r.Untimed > 0 {
		lines = append(lines, fmt.Sprintf("%s since the start are counted, but in no latency: there was no room, or the kernel did not pass on the reap", report.Plural(r.Untimed, "death")))
	}
	return lines
}

// Table is a report as lines of a screen so wide and so high; 0: as wide and
// high as need be.
func Table(r *watch.Report, assumed string, width, height int) []string {
	lines := []string{"zombench watch  " + r.Time.Format("15:04:05") + "  every " + r.Elapsed.Round(100*time.Millisecond).String(), summary(r)}
	if s := forecast(r); s != "" {
		lines = append(lines, s)
	}
	for _, l := range r.Leaders[:min(len(r.Leaders), 3)] {
		lines = append(lines, l.Verdict())
	}
	lines = append(lines, missed(r)...)
	lines = append(lines, r.Unseen...)
	t := report.Table{Columns: []report.Column{
		{Name: "zombies"}, {Name: "grow/s"}, {Name: "new"}, {Name: "reaped"}, {Name: "wait"}, {Name: "oldest"}, {Name: "memory" + assumed},
		{Name: "parent"}, {Name: "command", Left: true}, {Name: "of", Left: true}}}
	for _, p := range r.Parents {
		wait, oldest := "", ""
		if p.Latency != nil {
			wait = shortDuration(p.Latency.P50)
		}
		if p.Oldest != nil {
			oldest = Duration(*p.Oldest, true)
		}
		grow := ""
		if p.Growth.Leak {
			grow = fmt.Sprintf("+%.3g", p.Growth.PerSecond)
		}
		name := p.Name
		if p.Child != "" && p.Child != p.Name {
			name += " (" + p.Child + ")"
		}
		arose, reaped := any(""), any("")
		if r.Arose != nil {
			arose, reaped = p.Arose, p.Reaped
		}
		t.Row(p.Zombies, grow, arose, reaped, wait, oldest, Bytes(p.Bytes), p.PID, name, cmp.Or(p.Unit, p.Cgroup))
	}
	for _, c := range r.Commands[:min(len(r.Commands), 5)] {
		t.Row("", "", c.Arose, c.Reaped, "", "", "", "", fmt.Sprintf("%s (%s that ended)", c.Name, report.Plural(c.Ended, "parent")), "")
	}
	if len(t.Rows) > 0 {
		var b strings.Builder
		_ = report.Doc{Width: math.MaxInt, Sections: []report.Section{{Tables: []report.Table{t}}}}.Write(&b, report.Text) // a Builder does not fail
		lines = append(lines, "")
		lines = append(lines, strings.Split(strings.Trim(b.String(), "\n"), "\n")...)
	}
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	if width > 0 {
		for i := range lines {
			lines[i] = Clip(lines[i], width)
		}
	}
	return lines
}

// WriteReport writes a report among others, as "json", as a "table" or in "lines".
func WriteReport(w io.Writer, r *watch.Report, format, assumed string) error {
	var lines []string
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(r)
	case "table":
		lines = append(Table(r, assumed, 0, 0), "")
	default:
		lines = Lines(r)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func perSecond(n uint64, d time.Duration) string {
	return strconv.FormatFloat(float64(n)/max(d.Seconds(), 1e-3), 'f', 1, 64)
}

func rateText(g watch.Growth) string {
	return fmt.Sprintf("%.3g (%.3g to %.3g)", g.PerSecond, g.Lo, g.Hi)
}

// shortDuration tells a time by two digits.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return Duration(d, true)
}
