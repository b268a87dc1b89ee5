package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zombench/bench"
)

// fieldFlags are flags for the fields of experiments, one for all fields of a
// name. What the user gives is kept, and set once it is known which experiments
// run.
type fieldFlags struct {
	given map[string]*given // by name
	order []string
}

// given is what the user gave for a field.
type given struct {
	kind, byDefault string
	texts           []string
	allowed         []string // words that may be given; nil: not known
}

func (g *given) String() string { return g.byDefault }
func (g *given) Type() string   { return g.kind }
func (g *given) Set(s string) error {
	g.texts = append(g.texts, s)
	return nil
}

// newFieldFlags registers the flags.
func newFieldFlags(cmd *cobra.Command, all []bench.Experiment) *fieldFlags {
	flags := cmd.Flags()
	f := &fieldFlags{given: make(map[string]*given)}
	type use struct{ usage, byDefault, experiment string }
	uses := make(map[string][]use)
	for _, e := range all {
		for _, field := range e.Fields {
			if f.given[field.Name] == nil {
				f.given[field.Name] = &given{kind: field.Value.Type()}
				if words, ok := field.Value.(interface{ Allowed() []string }); ok {
					f.given[field.Name].allowed = words.Allowed()
				}
				f.order = append(f.order, field.Name)
			}
			uses[field.Name] = append(uses[field.Name], use{field.Usage, field.Value.String(), e.Name})
		}
	}
	for _, name := range f.order {
		of := uses[name]
		var names, defaults []string
		for _, u := range of {
			names = append(names, u.experiment)
			if u.byDefault != "" {
				defaults = append(defaults, u.experiment+" "+u.byDefault)
			}
		}
		usage := of[0].usage + " [" + strings.Join(names, ", ") + "]"
		g := f.given[name]
		switch {
		case !slices.ContainsFunc(of, func(u use) bool { return u.byDefault != of[0].byDefault }):
			g.byDefault = of[0].byDefault
		default:
			usage = of[0].usage + " (default " + strings.Join(defaults, ", ") + ")"
		}
		flags.Var(g, name, usage)
		if g.allowed != nil {
			complete(cmd, name, listed(func([]string) []string { return g.allowed }))
		}
		if g.kind == "bool" {
			flags.Lookup(name).NoOptDefVal = "true"
			if g.byDefault == "false" {
				flags.Lookup(name).DefValue = ""
			}
		}
	}
	return f
}

// apply sets the fields of the experiments that run. A field that none of them
// has is an error: it would have no effect.
func (f *fieldFlags) apply(run []bench.Experiment) error {
	for _, name := range f.order {
		g := f.given[name]
		if len(g.texts) == 0 {
			continue
		}
		texts := g.texts
		if g.kind == "list" {
			texts = []string{strings.Join(texts, ",")}
		}
		used := false
		for _, e := range run {
			for _, field := range e.Fields {
				if field.Name != name {
					continue
				}
				used = true
				for _, text := range texts {
					if err := field.Value.Set(text); err != nil {
						return usageErrorf("--%s: %w", name, err)
					}
				}
			}
		}
		if !used {
			return usageErrorf("--%s has no effect on %s", name, namesOf(run))
		}
	}
	return nil
}

func namesOf(all []bench.Experiment) string { return strings.Join(experimentsOf(all), ", ") }

func experimentsOf(all []bench.Experiment) []string {
	list := make([]string, len(all))
	for i, e := range all {
		list[i] = e.Name
	}
	return list
}

// pick finds experiments by name.
func pick(all []bench.Experiment, wanted []string) ([]bench.Experiment, error) {
	var run []bench.Experiment
	for _, name := range wanted {
		i := slices.IndexFunc(all, func(e bench.Experiment) bool { return e.Name == name })
		switch {
		case i < 0:
			return nil, usageErrorf("unknown experiment %q%s: want %s; zombench list shows their benchmarks", name, meant(name, experimentsOf(all), ""), namesOf(all))
		case slices.ContainsFunc(run, func(e bench.Experiment) bool { return e.Name == name }):
			return nil, usageErrorf("experiment %s is given twice", name)
		}
		run = append(run, all[i])
	}
	return run, nil
}

// fieldError makes a wrong command line of fields that make no sense.
func fieldError(err error) error {
	return &exitError{usageStatus, fmt.Errorf("--%w", err)}
}
