// Package host says in documents and lines what is found on this host: what can be
// measured and booted here (packages bench and kernels), which limits there are, which
// processes leave zombies (limits, procs, watch). For people, and for programs.
//
// In flow those findings and what a zombie takes ([recorded.Cost]); out flow documents that
// package report renders, and the lines of zombench watch and of checks. It finds
// nothing itself.
package host

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/perf/benchunit"
)

// Bytes formats bytes with a binary prefix.
func Bytes(n uint64) string {
	s := benchunit.CommonScale([]float64{float64(n)}, benchunit.Binary)
	if s.Prefix == "" {
		return strconv.FormatUint(n, 10) + " B"
	}
	return strconv.FormatFloat(float64(n)/s.Factor, 'f', 1, 64) + " " + s.Prefix + "B"
}

// Duration formats a time by its two largest units, rounded down: a limit is
// not to be met before it is expected. It takes the results of limits.Rate.After.
func Duration(d time.Duration, ok bool) string {
	const day, year = 24 * time.Hour, 8766 * time.Hour
	switch {
	case !ok:
		return "more than 292 years"
	case d >= 10*year:
		return fmt.Sprintf("%d years", d/year)
	case d >= year:
		return fmt.Sprintf("%d y %d d", d/year, d%year/day)
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// Clip shortens a text to so many characters.
func Clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
