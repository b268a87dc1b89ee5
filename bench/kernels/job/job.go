// Package job is what the host asks a guest to measure: a Job, which reaches the
// guest's program (cmd/zombench/guest) as its argument, and where in the guest
// the programs lie.
//
// Host and guest share nothing else; so it stays small enough to be linked into
// both.
package job

import (
	"encoding/json"
	"fmt"

	"zombench/bench/vm/guest"
	"zombench/results"
)

// Where the programs lie in a guest.
const (
	Zombench = "/bin/zombench" // a link to the init, which is the same program
	Zombied  = "/bin/zombied"
)

// A Job is one run of the harness in a guest.
type Job struct {
	Experiment string `json:"experiment"` // its name; "" is memory

	Fields   map[string]string `json:"fields"`  // of the experiment, as a user writes them: count=500,1000
	Match    string            `json:"match"`   // of the benchmarks, as in go test -bench; "" is all
	Samples  int               `json:"samples"` // trials of each setup
	Seed     uint64            `json:"seed"`    // of the order of the trials
	Keys     []results.Param   `json:"keys"`    // of the result file's configuration: how the guest is emulated, on which node
	Version  string            `json:"version"` // of the program that asks
	Comments []string          `json:"comments"`
}

// Config returns the configuration of a guest that does j.
func (j Job) Config() (guest.Config, error) {
	b, err := json.Marshal(j)
	if err != nil {
		return guest.Config{}, fmt.Errorf("encoding the guest's job: %w", err)
	}
	return guest.Config{Args: []string{Zombench, string(b)}}, nil
}

// Parse reads the job from the arguments of the guest's program, without the
// program's own name.
func Parse(args []string) (Job, error) {
	var j Job
	if len(args) != 1 {
		return j, fmt.Errorf("%d arguments instead of a job", len(args))
	}
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return j, fmt.Errorf("reading the job: %w", err)
	}
	return j, nil
}
