package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"
)

// quantity formats values of one base unit, with a common prefix: 9.155 MiB,
// 450.1 µs, 1.000.
type quantity struct {
	scale  benchunit.Scaler
	symbol string // B, s or nothing
}

func newQuantity(unit string, values ...float64) quantity {
	q := quantity{scale: benchunit.CommonScale(values, benchunit.ClassOf(unit))}
	base, _, ok := PerZombies(unit)
	if !ok {
		base = unit
	}
	switch {
	case base == "B" || strings.HasSuffix(base, "-B"):
		q.symbol = "B"
	case base == "sec":
		q.symbol = "s"
	default: // a count: 0.995 of it is no "995 m"
		q.scale = benchunit.Scaler{Prec: 3, Factor: 1}
	}
	return q
}

func (q quantity) number(v float64) string {
	return strconv.FormatFloat(v/q.scale.Factor, 'f', q.scale.Prec, 64)
}

func (q quantity) unit() string { return q.scale.Prefix + q.symbol }

func (q quantity) format(v float64) string {
	if q.unit() == "" {
		return q.number(v)
	}
	return q.number(v) + " " + q.unit()
}

// bytesShort formats bytes for a sentence: 9.9 MiB, 105 MiB, 0 B.
func bytesShort(v float64) string {
	q := newQuantity("B", v)
	q.scale.Prec = 1
	if a := math.Abs(v / q.scale.Factor); a >= 99.95 || q.scale.Prefix == "" {
		q.scale.Prec = 0
	}
	return q.format(v)
}

func bytesLong(v float64) string { return newQuantity("B", v).format(v) }

// list joins words as English does: a, b and c.
func list[T any](items []T) string {
	var b strings.Builder
	for i, item := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprint(&b, item)
	}
	return b.String()
}

// plural counts things: 1 trial, 2 trials.
func plural[T int | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// raw formats a number for other programs; an infinite bound is no number.
func raw(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
