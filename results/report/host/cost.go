package host

import (
	"path/filepath"

	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results/recorded"
)

// A Cost is what one zombie takes, and how that is known.
type Cost struct{ recorded.Cost }

// LocalResults is where make bench keeps results.
const LocalResults = "results/local"

// FindCost returns what a zombie takes on a machine: by the result file from, if one
// is named; otherwise by what was measured on its kernel, here or by a recorded run,
// or on the nearest recorded one.
func FindCost(fs measure.FS, from string) (Cost, error) {
	m, err := fs.Machine()
	if err != nil {
		return Cost{}, err
	}
	local := filepath.Join(LocalResults, m.Kernel+".txt")
	c, err := recorded.Find(from, local, recorded.System{Kernel: m.Kernel, GOARCH: m.GOARCH, PageSize: m.PageSize})
	return Cost{c}, err
}

// Query fills a cost into a query for limits.
func (c Cost) Query(q limits.Query) limits.Query {
	q.BytesPerZombie, q.ChargePerZombie = c.Pages, c.Charge
	return q
}

// Assumed marks a number that comes of a cost that nobody has measured on this
// kernel.
func (c Cost) Assumed() string {
	if c.Measured {
		return ""
	}
	return " (estimated)"
}
