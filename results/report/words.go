package report

import (
	"fmt"
	"math"
	"strings"

	"zombench/results/stats"
)

// bytesShort formats bytes for a sentence: 9.9 MiB, 105 MiB, 0 B.
func bytesShort(v float64) string {
	q := stats.NewQuantity("B", v).WithPrec(1)
	if a := math.Abs(v / q.Factor()); a >= 99.95 || q.Factor() == 1 {
		q = q.WithPrec(0)
	}
	return q.Format(v)
}

func bytesLong(v float64) string { return stats.NewQuantity("B", v).Format(v) }

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

// Plural counts things: 1 trial, 2 trials, 3 processes.
func Plural[T int | uint64](n T, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		thing += "e"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// zombies is what a unit is over: zombie, or 1000 zombies.
func zombies(per float64) string {
	if per == 1 {
		return "zombie"
	}
	return fmt.Sprintf("%.0f zombies", per)
}

func texts(errs []error) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}
