package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results"
)

// A cost is what one zombie takes, in bytes, and how that is known.
type cost struct {
	Pages    uint64 `json:"slab_bytes"`   // of slab pages: what the machine has less
	Charge   uint64 `json:"charge_bytes"` // of objects: what its cgroup is charged for
	Measured bool   `json:"measured"`     // false: assumed, on the safe side
	Source   string `json:"source"`
}

// Where results are kept, seen from the top of a checkout.
const (
	localResults    = "results/local"
	recordedResults = "results/recorded"
)

// findCost tells what a zombie takes: by the result file from, if one is named;
// otherwise by what was measured on this kernel, in this directory's
// results/local or results/recorded. What nobody has measured is assumed, and
// said to be.
func findCost(from string, m measure.Machine) (cost, error) {
	local := filepath.Join(localResults, m.Kernel+".txt")
	if from != "" {
		set, errs := results.Load(from)
		if len(errs) > 0 {
			return cost{}, fmt.Errorf("--from: %w", errors.Join(errs...))
		}
		c, ok := costOf(set, from, m, false)
		if !ok {
			return cost{}, fmt.Errorf("--from: %s: no memory was measured that stands out from the noise", from)
		}
		return c, nil
	}
	recorded, _ := filepath.Glob(filepath.Join(recordedResults, "*.txt")) // the pattern is well formed
	unreadable := ""
	for _, file := range append([]string{local}, recorded...) {
		set, errs := results.Load(file)
		if c, ok := costOf(set, file, m, true); ok && len(errs) == 0 {
			return c, nil
		}
		if err := errors.Join(errs...); err != nil && !errors.Is(err, fs.ErrNotExist) && unreadable == "" {
			unreadable = fmt.Sprintf("; %s is of no use", file)
		}
	}
	return cost{
		Pages:  bench.AssumedBytes,
		Charge: bench.AssumedBytes,
		Source: fmt.Sprintf("assumed, not measured%s; zombench run -o %s measures it", unreadable, local),
	}, nil
}

// costOf picks the estimate that says most about zombies of this machine: of
// its kernel, and of a way of spawning that leaves nothing but the zombie.
func costOf(set *results.Set, file string, m measure.Machine, sameKernel bool) (cost, bool) {
	type candidate struct {
		cost
		rank int
	}
	var best []candidate
	for _, s := range set.Summaries() {
		here := s.Param("kernel") == m.Kernel && s.Param("goarch") == m.GOARCH
		if sameKernel && !here {
			continue
		}
		pages, charge := standing(s, s.SlabUnit), standing(s, results.UnitKmem)
		if pages == 0 && charge == 0 {
			continue
		}
		c := candidate{cost: cost{Pages: pages, Charge: charge, Measured: true}}
		what := ""
		switch {
		case pages > 0 && pages < charge: // the objects went into slabs that had room
			c.Pages, what = charge, ", by the charge alone: slab grew by less and does not show it all"
		case pages == 0:
			c.Pages, what = charge, ", by the charge alone: slab pages take some more"
		case charge == 0:
			c.Charge, what = pages, ", by slab pages alone: the charge is somewhat less"
		}
		c.Source = fmt.Sprintf("measured on Linux %s/%s, spawn %s (%s)%s", s.Param("kernel"), s.Param("goarch"), s.Param("spawn"), file, what)
		if !here {
			c.Source += "; this is Linux " + m.Kernel + "/" + m.GOARCH
			c.rank = 10
		}
		if i := slices.Index([]string{"exec", "clone", "fork"}, s.Param("spawn")); i >= 0 {
			c.rank += i
		} else {
			c.rank += 9
		}
		best = append(best, c)
	}
	if len(best) == 0 {
		return cost{}, false
	}
	return slices.MinFunc(best, func(a, b candidate) int { return a.rank - b.rank }).cost, true
}

// standing returns an estimate in bytes a zombie, 0 if there is none that
// stands out from the noise.
func standing(s results.Summary, unit string) uint64 {
	e, ok := s.Estimate(unit)
	if !ok || !e.Stands() {
		return 0
	}
	return uint64(math.Round(e.PerZombie))
}

// query fills a cost into a query for limits.
func (c cost) query(q limits.Query) limits.Query {
	q.BytesPerZombie, q.ChargePerZombie = c.Pages, c.Charge
	return q
}

// assumed marks a number that comes of a cost that nobody has measured.
func (c cost) assumed() string {
	if c.Measured {
		return ""
	}
	return " (assumed)"
}

// String says what one zombie takes.
func (c cost) String() string {
	if c.Pages == c.Charge {
		return fmt.Sprintf("a zombie takes %d B: %s", c.Pages, c.Source)
	}
	return fmt.Sprintf("a zombie takes %d B of slab pages, and its cgroup is charged for %d B: %s", c.Pages, c.Charge, c.Source)
}
