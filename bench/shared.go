package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A SharedField is what several experiments have under one name. It is a Value that
// only keeps what it is set to: which of the experiments will run is not known yet.
type SharedField struct {
	Field            // that of the first experiment, but Usage names all
	byDefault string // "" if the experiments differ, which Usage says then
	texts     []string
}

func (f *SharedField) Type() string   { return f.Value.Type() }
func (f *SharedField) String() string { return f.byDefault }
func (f *SharedField) Set(s string) error {
	f.texts = append(f.texts, s)
	return nil
}

// ShareFields returns the fields of experiments, one of each name.
func ShareFields(all []Experiment) (shared []*SharedField) {
	seen := make(map[string]bool)
	for _, e := range all {
		for _, f := range e.Fields {
			if !seen[f.Name] {
				seen[f.Name] = true
				shared = append(shared, share(f, all))
			}
		}
	}
	return shared
}

// share makes one of all fields that have the name of the first.
func share(first Field, all []Experiment) *SharedField {
	s := &SharedField{Field: first, byDefault: first.Value.String()}
	var names, defaults []string
	for _, e := range all {
		for _, f := range e.Fields {
			if f.Name != first.Name {
				continue
			}
			names = append(names, e.Name)
			value := f.Value.String()
			if value != "" {
				defaults = append(defaults, e.Name+" "+value)
			}
			if value != first.Value.String() {
				s.byDefault = ""
			}
		}
	}
	if s.byDefault == "" && len(defaults) > 0 {
		s.Usage += " (default " + strings.Join(defaults, ", ") + ")"
	} else {
		s.Usage += " [" + strings.Join(names, ", ") + "]"
	}
	return s
}

// Apply sets the field in those of the experiments that have it. If it was set and
// none has it, that is an error: it would have no effect.
func (f *SharedField) Apply(run []Experiment) error {
	texts := f.texts
	if f.Type() == "list" && len(texts) > 0 {
		texts = []string{strings.Join(texts, ",")}
	}
	used := len(texts) == 0
	for _, e := range run {
		for _, field := range e.Fields {
			if field.Name != f.Name {
				continue
			}
			used = true
			for _, text := range texts {
				if err := field.Value.Set(text); err != nil {
					return &FieldError{f.Name, err}
				}
			}
		}
	}
	if !used {
		return fmt.Errorf("%s has no effect on %s", f.Name, strings.Join(Names(run), ", "))
	}
	return nil
}

// Set sets fields of the experiment by their names.
func (e Experiment) Set(texts map[string]string) error {
	for name, text := range texts {
		i := slices.IndexFunc(e.Fields, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return &FieldError{name, errors.New("the experiment has no such field")}
		}
		if err := e.Fields[i].Value.Set(text); err != nil {
			return &FieldError{name, err}
		}
	}
	return nil
}

// Names are the names of experiments.
func Names(all []Experiment) []string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name
	}
	return names
}
