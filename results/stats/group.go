package stats

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zombench/results"
)

// A Group is the armies that one estimate is made of: everything about them is
// alike but their size, how many were raised at a time, and the file.
type Group struct {
	Labels   []results.Param // configuration, then the benchmark's parameters but count and parallel
	Armies   []*Setup        // by count and parallel
	Controls []*Setup
}

// Label returns what the group's trials share under a key, "" if nothing.
func (g *Group) Label(key string) string { return results.Lookup(g.Labels, key) }

// Labels returns the configuration and the parameters of a setup but those left
// out. A parameter without a key goes by the key name.
func Labels(s *Setup, without ...string) []results.Param {
	labels := slices.Clone(s.First.Config)
	for _, p := range s.First.Params {
		if p.Key == "" {
			p.Key = "name"
		}
		if !slices.Contains(without, p.Key) {
			labels = append(labels, p)
		}
	}
	return labels
}

// Groups sorts the setups of the memory benchmarks into groups, in the order in
// which configurations first appear, and then by the other labels.
func Groups(setups []*Setup) (groups []*Group) {
	memory := slices.DeleteFunc(slices.Clone(setups), func(s *Setup) bool {
		return s.First.Bench != results.Zombies && s.First.Bench != results.Control
	})
	for _, system := range Together(memory, func(s *Setup) string { return KeyOf(s.First.Config) }) {
		from := len(groups)
		for _, alike := range Together(system, func(s *Setup) string { return KeyOf(Labels(s, "count", "parallel")) }) {
			g := &Group{Labels: Labels(alike[0], "count", "parallel")}
			for _, s := range alike {
				if s.First.Control {
					g.Controls = append(g.Controls, s)
				} else {
					g.Armies = append(g.Armies, s)
				}
			}
			slices.SortStableFunc(g.Armies, func(a, b *Setup) int { return CompareLabels(sizes(a), sizes(b)) })
			groups = append(groups, g)
		}
		slices.SortStableFunc(groups[from:], func(a, b *Group) int { return CompareLabels(a.Labels, b.Labels) })
	}
	return groups
}

func sizes(s *Setup) []results.Param {
	return []results.Param{{Key: "count", Value: s.First.Param("count")}, {Key: "parallel", Value: s.First.Param("parallel")}}
}

// KeyOf is equal for equal parameters in any order.
func KeyOf(params []results.Param) string {
	var parts []string
	for _, p := range params {
		parts = append(parts, strconv.Quote(p.Key)+strconv.Quote(p.Value))
	}
	slices.Sort(parts)
	return strings.Join(parts, "")
}

// CompareLabels orders by the values, numbers by their size.
func CompareLabels(a, b []results.Param) int {
	for i := range min(len(a), len(b)) {
		x, errX := strconv.ParseFloat(a[i].Value, 64)
		y, errY := strconv.ParseFloat(b[i].Value, 64)
		c := strings.Compare(a[i].Value, b[i].Value)
		if errX == nil && errY == nil {
			c = cmp.Or(cmp.Compare(x, y), c)
		}
		if c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// Varying lists the keys under which sets of labels differ, in the order of first
// appearance.
func Varying(all [][]results.Param) []string {
	var keys []string
	seen := make(map[string]bool) // keys that were asked of all
	for _, labels := range all {
		for _, p := range labels {
			if seen[p.Key] {
				continue
			}
			seen[p.Key] = true
			if slices.ContainsFunc(all, func(other []results.Param) bool { return results.Lookup(other, p.Key) != p.Value }) {
				keys = append(keys, p.Key)
			}
		}
	}
	return keys
}

// Distinguishing picks, from the keys under which sets of labels differ, those
// that a reader needs to tell them apart: machines that differ in their kernel
// differ in their cpu as well, and one of the two is enough. What names a system is
// kept anyway.
func Distinguishing[T any](items []T, labels func(T) []results.Param) []string {
	var all [][]results.Param
	for _, item := range items {
		all = append(all, labels(item))
	}
	varying := Varying(all)
	var picked []string
	distinct := func(keys []string) int {
		return len(Together(all, func(labels []results.Param) string { return fmt.Sprintf("%q", results.LookupAll(labels, keys)) }))
	}
	for _, key := range []string{"goos", "kernel", "goarch", "spawn"} {
		if slices.Contains(varying, key) {
			picked = append(picked, key)
		}
	}
	for _, key := range varying {
		more := append(slices.Clone(picked), key)
		if distinct(more) > distinct(picked) {
			picked = more
		}
	}
	return picked
}
