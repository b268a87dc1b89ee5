package ledger

import (
	"math"

	"zombench/results/stats"
)

// A Step of the reconciliation leads from one way of counting the same memory
// to the next.
type Step struct {
	Name   string
	Kind   Kind
	Bytes  float64 // a zombie; for a part, what it adds
	Source string

	// Of what was measured: how certain it is, and what the sum before it leaves
	// unexplained.
	Estimate *stats.Estimate
	Rest     float64 // bytes a zombie
	Limit    float64 // percent of the step that Rest may be; 0 if nothing is promised
}

// A Kind is where a step comes from.
type Kind string

const (
	Part     Kind = "part"     // of the next sum, and nothing to be compared
	Sum      Kind = "sum"      // of the parts before it
	Measured Kind = "measured" // by an instrument
)

// Percent returns the unexplained rest in percent of the step.
func (s Step) Percent() float64 {
	if s.Bytes == 0 {
		return 0
	}
	return 100 * s.Rest / s.Bytes
}

// BelowNoise reports whether controls moved as much: then Bytes says nothing.
func (s Step) BelowNoise() bool { return s.Kind == Measured && !s.Estimate.AboveNoise() }

// Exceeds reports whether more is left unexplained than was promised.
func (s Step) Exceeds() bool {
	return s.Limit > 0 && (s.BelowNoise() || math.Abs(s.Percent()) > s.Limit)
}

// The steps that others refer to.
const (
	StepObjects    = "objects"
	StepPointers   = "obj_cgroup pointers" // of memcg
	StepStack      = "kernel stack"
	StepCharge     = "charged to the cgroup"
	StepPages      = "slabs of these caches"
	StepSlab       = "Slab" // of /proc/meminfo
	StepSUnreclaim = "SUnreclaim"
)

// ZombiesPart is appended to the name of a counter of the whole system less what
// is somebody else's.
const ZombiesPart = ", zombies' part"

// What may remain unexplained, in percent.
const (
	chargeLimit = 0.5 // from objects to the charge of the cgroup
	pagesLimit  = 1.5 // from the charge to pages
)
