// Package results keeps what was measured: it writes result files and reads
// them back.
//
// A result file is plain Go benchmark format
// (https://golang.org/design/14313-benchmark-format), one line a trial, so
// benchstat and everything else that reads that format works on it as it is.
// What the format has no word for is kept in comments of a fixed form, which
// benchstat skips and [Read] understands: of a trial, that it is a control or
// broken, warnings, how its children ended, and the raw readings that its values
// were computed from; of the file, what its benchmarks and units mean and what an
// analysis has to know of the kernel. A trial that broke stays in the file and out
// of the statistics; nothing is averaged in or dropped silently.
//
// In flow trials and headers, or files; out flow files, or records. The package
// neither measures nor computes: statistics are in package stats, and what a file
// means in report and ledger.
package results

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
)

// The benchmarks of memory, without the word Benchmark.
const (
	Zombies = "Zombies" // an army was raised
	Control = "Control" // the control of Zombies: the same trial with no zombie in it
)

// controlOf is the parameter by which older files name the benchmark that a
// control belongs to: BenchmarkControl/of=Reap/... is a control of Reap.
const controlOf = "of"

// ProgramKey is the key of a configuration that says what zombied's children
// executed: what that leaves in the kernel is part of what their zombies hold.
const ProgramKey = "program"

// A Value is one measurement, in the unit in which it stands in the file, such
// as ns/zombie (not in the unit that benchstat tidies it to).
type Value struct {
	Unit  string
	Value float64
}

// A Trial is one measured trial: one line of a result file, and the comments
// that belong to it.
type Trial struct {
	Bench  string  // Zombies, Reap, ...
	Params []Param // in the order in which they are printed
	// Control reports whether nothing was done in it: what it shows is noise.
	// Whatever is called Control is one.
	Control bool
	// N is the number of iterations, such as the size of the army. That of a
	// control may be 0, and is written and read as 1.
	N        int
	Values   []Value
	Broken   string     // why this trial does not count; "" if it does
	Warnings []string   // it counts, and is flagged
	Ends     Ends       // how the children ended
	Readings []Reading  // in the order in which they were taken
	Sites    []CallSite // what its zombies keep, by who allocated it
	Watchers []Watcher  // who looked at its zombies, by the traces that this left
	Serial   Serial     // which one it is of its run
	Notes    []string   // free comments; not read back
}

// Ends counts how the children of a trial ended, by the si_code that waitid(2)
// gave for each of them, and the signals that their parent had sent them.
type Ends struct {
	Known                           bool // false: nobody counted
	Signals, Exited, Killed, Dumped uint64
}

func (e *Ends) fields() []field {
	return []field{count("signals", &e.Signals), count("exited", &e.Exited), count("killed", &e.Killed), count("dumped", &e.Dumped)}
}

// Param returns the value of a parameter of the benchmark name, "" if it has
// none of that key.
func (t Trial) Param(key string) string { return Lookup(t.Params, key) }

// Value returns the measurement in a unit.
func (t Trial) Value(unit string) (float64, bool) {
	v, ok := find(t.Values, func(v Value) bool { return v.Unit == unit })
	return v.Value, ok
}

// Reading returns the reading that was taken at some moment, such as before.
func (t Trial) Reading(when string) (Reading, bool) {
	return find(t.Readings, func(r Reading) bool { return r.When == when })
}

// Name is the full benchmark name, without the word Benchmark.
func (t Trial) Name() string {
	var b strings.Builder
	b.WriteString(t.Bench)
	for _, p := range t.Params {
		b.WriteByte('/')
		if p.Key != "" {
			b.WriteString(p.Key)
			b.WriteByte('=')
		}
		b.WriteString(p.Value)
	}
	return b.String()
}

// check reports why a trial cannot be written so that it is read back as it is.
func (t Trial) check() error {
	if err := t.checkName(); err != nil {
		return err
	}
	if t.N < 1 {
		return fmt.Errorf("%s: %d iterations", t.Name(), t.N)
	}
	if len(t.Values) == 0 && t.Broken == "" {
		return fmt.Errorf("%s: no values", t.Name())
	}
	for _, r := range t.Readings {
		if err := r.check(); err != nil {
			return fmt.Errorf("%s: %w", t.Name(), err)
		}
	}
	return checkValues(t.Values)
}

func (t Trial) checkName() error {
	if t.Bench == "" || strings.ContainsFunc(t.Bench, unicode.IsSpace) || strings.Contains(t.Bench, "/") {
		return fmt.Errorf("benchmark name %q: want one word without a slash", t.Bench)
	}
	for _, p := range t.Params {
		if strings.ContainsFunc(p.Key+p.Value, unicode.IsSpace) || strings.ContainsAny(p.Key, "/=") || strings.Contains(p.Value, "/") {
			return fmt.Errorf("parameter %q=%q of a benchmark name: spaces and slashes cannot be written", p.Key, p.Value)
		}
	}
	if t.Bench == Control && t.Param(controlOf) != "" {
		return fmt.Errorf("benchmark name %q: a control bears the name of the benchmark that it controls", t.Name())
	}
	// The rule is benchfmt's own, so ask it instead of knowing it better.
	name := benchfmt.Name(t.Name())
	if _, parts := name.Parts(); len(parts) > 0 && parts[len(parts)-1][0] == '-' {
		return fmt.Errorf("benchmark name %q: readers would take the final %q for GOMAXPROCS", name, parts[len(parts)-1])
	}
	return nil
}

// checkValues holds for what is written and for what is read.
func checkValues(values []Value) error {
	for i, v := range values {
		if v.Unit == "" || strings.ContainsFunc(v.Unit, unicode.IsSpace) || renamed(v.Unit) != v.Unit {
			return fmt.Errorf("unit %q: want one word that is in use", v.Unit)
		}
		if v.Value-v.Value != 0 { // NaN, Inf
			return fmt.Errorf("%v %s is not a measurement", v.Value, v.Unit)
		}
		for _, w := range values[:i] {
			if v.Unit == w.Unit {
				return fmt.Errorf("unit %s twice in one trial", v.Unit)
			}
		}
	}
	return nil
}
