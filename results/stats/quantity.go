package stats

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"

	"zombench/results"
)

// A Quantity formats values of one base unit for people: 9.155 MiB, 450.1 µs, 1.000;
// with a common prefix, unless they are so far apart that it would suit only the
// smallest.
type Quantity struct {
	scale  benchunit.Scaler
	symbol string // B, s or nothing
	apart  string // the unit whose values have a prefix each, or ""
}

// NewQuantity returns the Quantity that suits some values of a unit.
func NewQuantity(unit string, values ...float64) Quantity {
	q := Quantity{scale: benchunit.CommonScale(values, benchunit.ClassOf(unit))}
	base, _, ok := results.PerZombies(unit)
	if !ok {
		base = unit
	}
	over, _, _ := strings.Cut(base, "/")
	switch {
	case over == "B" || strings.HasSuffix(over, "-B"):
		q.symbol = "B"
	case over == "sec" || strings.HasSuffix(over, "-sec"):
		q.symbol = "s"
	default: // a count: 0.995 of it is no "995 m"
		q.scale = benchunit.Scaler{Prec: 3, Factor: 1}
	}
	if q.symbol != "" && slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) >= 10_000*q.scale.Factor }) {
		q.apart = unit
	}
	if q.scale.Prefix == "" && !slices.ContainsFunc(values, func(v float64) bool { return v != math.Trunc(v) }) {
		q.scale.Prec = 0
	}
	return q
}

// WithPrec returns a Quantity that prints so many decimal places.
func (q Quantity) WithPrec(places int) Quantity {
	q.scale.Prec = places
	return q
}

// Number formats a value without its unit.
func (q Quantity) Number(v float64) string {
	text := strconv.FormatFloat(v/q.scale.Factor, 'f', q.scale.Prec, 64)
	if strings.Trim(text, "-0.") == "" { // no -0.0
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// Unit is the unit with its prefix, "" of a count.
func (q Quantity) Unit() string { return q.scale.Prefix + q.symbol }

// Factor is what a value is divided by to be printed.
func (q Quantity) Factor() float64 { return q.scale.Factor }

// Format formats a value with its unit.
func (q Quantity) Format(v float64) string {
	switch {
	case q.apart != "":
		q = NewQuantity(q.apart, v)
		q.apart = ""
	case q.Unit() == "":
		return q.Number(v)
	}
	return q.Number(v) + " " + q.Unit()
}
