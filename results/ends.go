package results

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"

	"zombench/results/table"
)

// Fates is what the benchmarks say that are not about what zombies cost but
// about how they end: a table for each benchmark, a row for each of its ways,
// a column for each unit. Their controls, which belong to a benchmark by the
// parameter "of", are rows as any other.
type Fates struct{ grids []grid }

// ReadFates reads a result file of such benchmarks. What could be read is in the
// tables; name is for errors.
func ReadFates(r io.Reader, name string) (Fates, []error) {
	var records []Record
	var errs []error
	reader := NewReader(r, name)
	for reader.Scan() {
		switch rec, err := reader.Record(); {
		case err != nil:
			errs = append(errs, err)
		case rec.Bench == Zombies || rec.Bench == Control:
		default:
			records = append(records, rec)
		}
	}
	if err := reader.Err(); err != nil {
		errs = append(errs, err)
	} else if len(records) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: %w of how zombies end", name, ErrNoResults))
	}
	return newFates(records), errs
}

// A fate is the trials of one way of ending.
type fate struct {
	params  []Param
	control bool
	trials  []Record
}

func newFates(records []Record) Fates {
	var order []string // of benchmarks, as they are told below
	byBench := make(map[string][]*fate)
	byName := make(map[string]*fate)
	for _, rec := range records {
		bench, params := rec.Bench, rec.Params
		name := rec.Name()
		if rec.Control {
			name = "control " + name
		}
		f := byName[name]
		if f == nil {
			f = &fate{params: params, control: rec.Control}
			byName[name] = f
			if byBench[bench] == nil {
				order = append(order, bench)
			}
			byBench[bench] = append(byBench[bench], f)
		}
		f.trials = append(f.trials, rec)
	}
	rank := func(bench string) int {
		if i := slices.Index(fateOrder, bench); i >= 0 {
			return i
		}
		return len(fateOrder)
	}
	slices.SortStableFunc(order, func(a, b string) int { return rank(a) - rank(b) })
	var e Fates
	for _, bench := range order {
		e.grids = append(e.grids, fateGrid(bench, byBench[bench]))
	}
	return e
}

// fateOrder is the order of the tables.
var fateOrder = []string{"Reap", "WaitOrder", "Adopt", "Exhaust", "Standing", "Reapers"}

// fateMeaning says in words what a way of ending is, by the value of the first
// parameter.
var fateMeaning = map[string]string{
	"wait":             "the parent waits for each child",
	"wait-any":         "the parent waits for any child until there is none",
	"sigchld":          "a SIGCHLD sent by hand, to a parent whose handler waits",
	"ignore":           "SIGCHLD ignored beforehand: no zombie ever stands",
	"nocldwait":        "SA_NOCLDWAIT beforehand: no zombie ever stands",
	"parent-exit":      "the parent is killed, its adopter waits",
	"parent-exit-lazy": "the parent is killed, its adopter waits when told to",
	"pidns-exit":       "the init of their pid namespace is killed, the kernel collects",
	"default":          "control: nobody waits",
	"ignore-it":        "control: a SIGCHLD sent by hand, to a parent that does not care",
	"fixed":            "the parent waits in the order of birth",
	"any":              "the parent waits for whoever is dead",
	"subreaper":        "the parent is killed below a subreaper",
	"init":             "the parent is killed below the init of a pid namespace",
	"none":             "control: the ancestor is no subreaper, they pass it by",
	"pids.max":         "pids.max of the cgroup",
	"nproc":            "RLIMIT_NPROC of a user",
	"pid_max":          "kernel.pid_max of a pid namespace",
	"memory.max":       "the memory limit of the cgroup",
	"unlimited":        "control: twice the army, and nothing in its way",
	"army":             "an army stands",
	"nobody":           "control: nobody stands",
	"pids":             "no pid is given out twice",
}

// fateGrid makes the table of one benchmark.
func fateGrid(bench string, fates []*fate) grid {
	g := grid{title: bench}
	// The first parameter names the way; of the others, those that vary.
	key := "name"
	if len(fates[0].params) > 0 {
		key = fates[0].params[0].Key
	}
	var same []string
	var vary []string
	for _, p := range fates[0].params[min(1, len(fates[0].params)):] {
		if slices.ContainsFunc(fates, func(f *fate) bool { return Lookup(f.params, p.Key) != p.Value }) {
			vary = append(vary, p.Key)
		} else {
			same = append(same, p.Key+" "+p.Value)
		}
	}
	slices.SortStableFunc(fates, func(a, b *fate) int {
		switch {
		case a.control && !b.control:
			return 1
		case b.control && !a.control:
			return -1
		}
		return strings.Compare(Lookup(a.params, key), Lookup(b.params, key))
	})
	g.header = append([]string{key, "what happens"}, vary...)
	g.labels = len(g.header)
	g.header = append(g.header, "n")
	units := fateUnits(fates)
	g.header = append(g.header, fateHeadings(units)...)
	broken := slices.ContainsFunc(fates, func(f *fate) bool { return len(counting(f.trials)) < len(f.trials) })
	if broken {
		g.header = append(g.header, "flags")
	}
	for _, f := range fates {
		way := Lookup(f.params, key)
		row := []string{way, fateMeaning[way]}
		for _, k := range vary {
			row = append(row, Lookup(f.params, k))
		}
		trials := counting(f.trials)
		row = append(row, strconv.Itoa(len(trials)))
		for _, unit := range units {
			row = append(row, fateCell(unit, trials))
		}
		if broken {
			row = append(row, flags(len(f.trials)-len(trials), 0))
		}
		g.rows = append(g.rows, row)
	}
	caption := "median and range of n trials"
	if len(same) > 0 {
		caption += "; " + strings.Join(same, ", ")
	}
	g.notes = append(g.notes, caption)
	return g
}

// fateUnits lists the units of the trials in the order of those that have the
// most: they are the ones whose order tells.
func fateUnits(fates []*fate) []string {
	var trials []Record
	for _, f := range fates {
		trials = append(trials, f.trials...)
	}
	slices.SortStableFunc(trials, func(a, b Record) int { return len(b.Values) - len(a.Values) })
	var units []string
	for _, rec := range trials {
		for _, v := range rec.Values {
			if !slices.Contains(units, v.Unit) {
				units = append(units, v.Unit)
			}
		}
	}
	return units
}

// fateHeadings names units as people say them: ns is a time, told with its own
// unit in each cell.
func fateHeadings(units []string) []string {
	var names []string
	for _, unit := range units {
		name := unit
		switch {
		case unit == "ns/zombie":
			name = "time/zombie"
		case unit == "ns/child":
			name = "time/child"
		case strings.HasSuffix(unit, "-ns"):
			name = strings.TrimSuffix(unit, "-ns") + " time"
		}
		names = append(names, name)
	}
	return names
}

// fateCell is the median of what the trials measured in a unit, and the range
// if there is one.
func fateCell(unit string, trials []Record) string {
	var values []float64
	for _, rec := range trials {
		if v, ok := rec.Value(unit); ok {
			tidy, _ := benchunit.Tidy(v, unit)
			values = append(values, tidy)
		}
	}
	if len(values) == 0 {
		return "-"
	}
	_, tidy := benchunit.Tidy(1, unit)
	center := benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), confidence).Center
	q := fateQuantity(tidy, center)
	lo, hi := slices.Min(values), slices.Max(values)
	if q.format(lo) == q.format(hi) {
		return q.format(center)
	}
	return fmt.Sprintf("%s (%s to %s)", q.format(center), q.number(lo), q.number(hi))
}

// fateQuantity is newQuantity that knows whole counts and times of a whole
// trial.
func fateQuantity(unit string, v float64) quantity {
	q := newQuantity(unit, v)
	switch {
	case strings.HasSuffix(unit, "-sec") || strings.HasPrefix(unit, "sec/"):
		q.scale, q.symbol = benchunit.CommonScale([]float64{v}, benchunit.Decimal), "s"
	case q.symbol == "" && v == math.Trunc(v):
		q.scale.Prec = 0
	}
	switch {
	case v == 0:
		q.scale = benchunit.Scaler{Prec: 0, Factor: 1}
	case q.symbol == "B" && math.Abs(v) < 1024:
		q.scale = benchunit.Scaler{Prec: 0, Factor: 1}
	}
	return q
}

// Write writes the tables, as Text or Markdown.
func (e Fates) Write(w io.Writer, format Format) error {
	var b strings.Builder
	for i, g := range e.grids {
		if i > 0 {
			b.WriteByte('\n')
		}
		g.names = 2
		var err error
		switch format {
		case Text:
			fmt.Fprintln(&b, table.Printable(g.title))
			err = g.table().Write(&b, table.Text)
		case Markdown:
			fmt.Fprintf(&b, "**%s**\n\n", table.Markdown.Escape(g.title))
			err = g.table().Write(&b, table.Markdown)
			b.WriteByte('\n')
		default:
			err = fmt.Errorf("how zombies end is not told in format %q: want %s or %s", format, Text, Markdown)
		}
		if err != nil {
			return err
		}
		for _, note := range g.notes {
			if format == Markdown {
				note = table.Markdown.Escape(note)
			}
			fmt.Fprintln(&b, table.Printable(note))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
