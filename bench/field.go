package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Field is a parameter of an experiment.
type Field struct {
	Name  string // one lower-case word, shared by experiments that mean the same
	Usage string // for people, in a phrase
	Value Value
}

// A Value is set from text. Its method set is that of a flag.
type Value interface {
	Set(string) error
	String() string
	Type() string // what its text is: "number", "list", ...
}

// A value is a variable that is set by what text means. What is refused changes
// nothing.
type value[T any] struct {
	p     *T
	kind  string
	parse func(string) (T, error)
}

func (v *value[T]) Type() string   { return v.kind }
func (v *value[T]) String() string { return fmt.Sprint(*v.p) }
func (v *value[T]) Set(s string) error {
	x, err := v.parse(s)
	if err == nil {
		*v.p = x
	}
	return err
}

// Int makes a field of a whole number from least to most.
func Int(p *int, least, most int) Value { return &value[int]{p, "number", inRange(least, most)} }

func inRange(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		switch {
		case errors.Is(err, strconv.ErrRange):
			return 0, fmt.Errorf("%s is out of range: want %d to %d", s, least, most)
		case err != nil:
			return 0, fmt.Errorf("%q is not a whole number", s)
		case n < least || n > most:
			return 0, fmt.Errorf("%d is out of range: want %d to %d", n, least, most)
		}
		return n, nil
	}
}

// Ints makes a field of a list of distinct whole numbers from least to most.
func Ints(p *[]int, least, most int) Value { return List(p, inRange(least, most)) }

// Words makes a field of a list of distinct words out of those allowed.
func Words(p *[]string, allowed ...string) Value {
	return &words{List(p, func(s string) (string, error) {
		if !slices.Contains(allowed, s) {
			return "", fmt.Errorf("unknown value %q: want %s", s, strings.Join(allowed, ", "))
		}
		return s, nil
	}), allowed}
}

type words struct {
	Value
	allowed []string
}

// Allowed returns the words that the list may hold.
func (v *words) Allowed() []string { return v.allowed }

// List makes a field of a list of distinct things, each of which is parsed.
func List[T comparable](p *[]T, parse func(string) (T, error)) Value {
	return &list[T]{value[[]T]{p, "list", func(s string) (all []T, err error) {
		if s == "" {
			return nil, nil
		}
		for _, word := range strings.Split(s, ",") {
			x, err := parse(word)
			if err != nil {
				return nil, err
			}
			if slices.Contains(all, x) {
				return nil, fmt.Errorf("%v is given twice", x)
			}
			all = append(all, x)
		}
		return all, nil
	}}}
}

type list[T comparable] struct{ value[[]T] }

func (v *list[T]) String() string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(*v.p), "[]")), ",")
}

// Bool makes a field that is on or off.
func Bool(p *bool) Value {
	return &value[bool]{p, "bool", func(s string) (bool, error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			err = fmt.Errorf("%q is neither true nor false", s)
		}
		return b, err
	}}
}

// Text makes a field of any text; what names it, such as "command".
func Text(p *string, what string) Value {
	return &value[string]{p, what, func(s string) (string, error) { return s, nil }}
}

// Duration makes a field of a duration of at least some length.
func Duration(p *time.Duration, least time.Duration) Value {
	return &value[time.Duration]{p, "duration", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%q is not a duration such as 100ms", s)
		case d < least:
			return 0, fmt.Errorf("%v is too short: want %v or more", d, least)
		}
		return d, nil
	}}
}
