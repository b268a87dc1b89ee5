// Package experiments is the list of all experiments: whoever adds one adds a
// line here, and every command knows it. It is the one place where they meet, and
// not for anything that two of them share: that is package bench's.
package experiments

import (
	"slices"

	"zombench/bench"
	"zombench/bench/callsites"
	"zombench/bench/drag"
	"zombench/bench/dress"
	"zombench/bench/foreign"
	"zombench/bench/inits"
	"zombench/bench/kernels"
	"zombench/bench/memory"
	"zombench/bench/reaping"
	"zombench/bench/spawning"
	"zombench/bench/watched"
	"zombench/bench/watchers"
)

// All returns the experiments, the main job first, each with its fields as they
// are by default.
func All() []bench.Experiment {
	return []bench.Experiment{
		memory.Experiment(),
		reaping.Experiment(),
		spawning.Experiment(),
		drag.Experiment(),
		inits.Experiment(),
		foreign.Experiment(),
		callsites.Experiment(),
		dress.Experiment(),
		watched.Experiment(),
		watchers.Experiment(),
	}
}

// InGuests returns what can be measured under other kernels, the default first, with
// the fields that a user may set there.
func InGuests() []bench.Experiment {
	e := memory.Experiment()
	e.Fields = slices.DeleteFunc(e.Fields, func(f bench.Field) bool { return f.Name != "count" && f.Name != "parallel" })
	for i := range e.Fields {
		if e.Fields[i].Name == "count" {
			e.Fields[i].Usage += "; memory's default is " + kernels.DefaultCounts
		}
	}
	_ = e.Set(map[string]string{"count": "", "parallel": "1"}) // the kernel decides on the count
	return []bench.Experiment{e, dress.Experiment()}
}
