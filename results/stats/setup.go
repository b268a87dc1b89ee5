package stats

import (
	"slices"

	"zombench/results"
)

// A Setup is the trials of one benchmark name under one configuration in one
// file: what is alike in everything but chance.
type Setup struct {
	First  *results.Record // any of them, for what they have in common
	Trials []*results.Record
	Broken []*results.Record // do not count, and are not among Trials
}

// origin is what records of one setup share; records that were read together
// share the slices.
type origin struct {
	file, bench    string
	control        bool
	config, params *results.Param
}

// Setups sorts records by their setup, in the order of the first trial that
// counts, and then of the first that does not: benchstat, which does not see broken
// trials, orders by what it sees first.
func Setups(records []results.Record) []*Setup {
	var whole, broken []*Setup // by first appearance
	all := make(map[origin]*Setup)
	for i := range records {
		r := &records[i]
		at := origin{file: r.File, bench: r.Bench, control: r.Control}
		if len(r.Config) > 0 {
			at.config = &r.Config[0]
		}
		if len(r.Params) > 0 {
			at.params = &r.Params[0]
		}
		s := all[at]
		if s == nil {
			s = &Setup{First: r}
			all[at] = s
			broken = append(broken, s)
		}
		if r.Broken != "" {
			s.Broken = append(s.Broken, r)
			continue
		}
		if s.Trials == nil {
			whole = append(whole, s)
		}
		s.Trials = append(s.Trials, r)
	}
	broken = slices.DeleteFunc(broken, func(s *Setup) bool { return s.Trials != nil })
	return append(whole, broken...)
}

// Trials returns the trials of several setups that count.
func Trials(setups ...*Setup) []*results.Record {
	if len(setups) == 1 {
		return setups[0].Trials
	}
	var all []*results.Record
	for _, s := range setups {
		all = append(all, s.Trials...)
	}
	return all
}

// Broken returns those that do not.
func Broken(setups ...*Setup) []*results.Record {
	var all []*results.Record
	for _, s := range setups {
		all = append(all, s.Broken...)
	}
	return all
}

// All returns both.
func All(setups ...*Setup) []*results.Record { return append(Broken(setups...), Trials(setups...)...) }

// Units lists the units of the trials in the order of first appearance.
func Units(trials []*results.Record) []string {
	var units []string
	seen := make(map[string]bool)
	for _, t := range trials {
		for _, v := range t.Values {
			if !seen[v.Unit] {
				seen[v.Unit] = true
				units = append(units, v.Unit)
			}
		}
	}
	return units
}
