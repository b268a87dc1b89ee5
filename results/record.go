package results

import (
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
)

// A Record is a trial as it was read.
type Record struct {
	Trial
	Config []Param // the file's configuration at that line; shared between records
	Facts  *Facts  // what the file says about itself; shared between records, never nil
	File   string
	Line   int
}

// Result gives the record as benchproc takes it, values tidied to base units,
// the file's name under .file. Comments have no place in it.
func (r Record) Result() *benchfmt.Result {
	res := &benchfmt.Result{Name: benchfmt.Name(r.Name()), Iters: r.N}
	res.Config = append(res.Config, benchfmt.Config{Key: ".file", Value: []byte(r.File)})
	for _, p := range r.Config {
		// File: a key without it counts as internal, and is never shown.
		res.Config = append(res.Config, benchfmt.Config{Key: p.Key, Value: []byte(p.Value), File: true})
	}
	for _, v := range r.Values {
		tidy, unit := benchunit.Tidy(v.Value, v.Unit)
		res.Values = append(res.Values, benchfmt.Value{Value: tidy, Unit: unit, OrigValue: v.Value, OrigUnit: v.Unit})
	}
	return res
}

// A Set is what was read from one or more result files.
type Set struct {
	Records []Record
	Units   benchfmt.UnitMetadataMap
	Parts   []*Part // what each run wrote of it
}
