package bench

import (
	"errors"
	"fmt"
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

// Int makes a field of a whole number from least to most.
func Int(p *int, least, most int) Value { return &number{p, least, most} }

type number struct {
	p           *int
	least, most int
}

func (v *number) Type() string   { return "number" }
func (v *number) String() string { return strconv.Itoa(*v.p) }
func (v *number) Set(s string) error {
	n, err := parseInt(s, v.least, v.most)
	if err == nil {
		*v.p = n
	}
	return err
}

func parseInt(s string, least, most int) (int, error) {
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

// Ints makes a field of a list of distinct whole numbers from least to most.
func Ints(p *[]int, least, most int) Value {
	return &list[int]{p: p, parse: func(s string) (int, error) { return parseInt(s, least, most) }}
}

// Words makes a field of a list of distinct words out of those allowed.
func Words(p *[]string, allowed ...string) Value {
	return &list[string]{p: p, allowed: allowed, parse: func(s string) (string, error) {
		for _, a := range allowed {
			if s == a {
				return s, nil
			}
		}
		return "", fmt.Errorf("unknown value %q: want %s", s, strings.Join(allowed, ", "))
	}}
}

type list[T comparable] struct {
	p       *[]T
	parse   func(string) (T, error)
	allowed []string
}

// Allowed returns the words that the list may hold; nil if they are not to be listed.
func (v *list[T]) Allowed() []string { return v.allowed }

func (v *list[T]) Type() string { return "list" }

func (v *list[T]) String() string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(*v.p), "[]")), ",")
}

func (v *list[T]) Set(s string) error {
	var all []T
	if s == "" {
		*v.p = nil
		return nil
	}
	for _, word := range strings.Split(s, ",") {
		x, err := v.parse(word)
		if err != nil {
			return err
		}
		for _, y := range all {
			if x == y {
				return fmt.Errorf("%v is given twice", x)
			}
		}
		all = append(all, x)
	}
	*v.p = all
	return nil
}

// Bool makes a field that is on or off.
func Bool(p *bool) Value { return (*truth)(p) }

type truth bool

func (v *truth) Type() string   { return "bool" }
func (v *truth) String() string { return strconv.FormatBool(bool(*v)) }
func (v *truth) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", s)
	}
	*v = truth(b)
	return nil
}

// Text makes a field of any text; what names it, such as "command".
func Text(p *string, what string) Value { return &text{p, what} }

type text struct {
	p    *string
	what string
}

func (v *text) Type() string       { return v.what }
func (v *text) String() string     { return *v.p }
func (v *text) Set(s string) error { *v.p = s; return nil }

// Duration makes a field of a duration of at least some length.
func Duration(p *time.Duration, least time.Duration) Value { return &duration{p, least} }

type duration struct {
	p     *time.Duration
	least time.Duration
}

func (v *duration) Type() string   { return "duration" }
func (v *duration) String() string { return v.p.String() }
func (v *duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a duration such as 100ms", s)
	case d < v.least:
		return fmt.Errorf("%v is too short: want %v or more", d, v.least)
	}
	*v.p = d
	return nil
}
