package main

import (
	"fmt"
	"path/filepath"

	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results/recorded"
)

// A cost is what one zombie takes, and how that is known.
type cost struct{ recorded.Cost }

// localResults is where make bench keeps results.
const localResults = "results/local"

// findCost returns what a zombie takes: by the result file from, if one is
// named; otherwise by what was measured on this kernel, here or by a recorded run,
// or on the nearest recorded one.
func findCost(from string, m measure.Machine) (cost, error) {
	local := filepath.Join(localResults, m.Kernel+".txt")
	c, err := recorded.Find(from, local, recorded.System{Kernel: m.Kernel, GOARCH: m.GOARCH, PageSize: m.PageSize})
	if err != nil && from != "" {
		err = fmt.Errorf("--from: %w", err)
	}
	return cost{c}, err
}

// query fills a cost into a query for limits.
func (c cost) query(q limits.Query) limits.Query {
	q.BytesPerZombie, q.ChargePerZombie = c.Pages, c.Charge
	return q
}

// assumed marks a number that comes of a cost that nobody has measured on this
// kernel.
func (c cost) assumed() string {
	if c.Measured {
		return ""
	}
	return " (estimated)"
}
