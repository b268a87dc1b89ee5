// Package fleet is about many nodes that are measured by the engine that already
// runs them, such as Kubernetes or Slurm.
//
// In flow a node's name and what else is known of it; out flow the keys by which
// results name it, and the recipes that an engine takes. It schedules nothing,
// starts nothing and collects nothing: the engine does.
package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"zombench/results"
)

// NodeKey names the node in the configuration of a result file.
const NodeKey = "node"

// Config returns the keys of a result file's configuration that tell a node from
// the others: its name, and labels of the form key=value. A name that is not given is
// that by which Kubernetes or Slurm know it, or the host's.
func Config(node string, labels []string, getenv func(string) string, hostname func() (string, error)) ([]results.Param, error) {
	node = cmp.Or(node, getenv("NODE_NAME"), getenv("SLURMD_NODENAME"))
	if node == "" {
		var err error
		if node, err = hostname(); err != nil {
			return nil, fmt.Errorf("this node has no name: %w", err)
		}
	}
	config := []results.Param{{Key: NodeKey, Value: node}}
	for _, label := range labels {
		key, value, ok := strings.Cut(label, "=")
		switch {
		case !ok || value == "" || !results.IsKey(key):
			return nil, fmt.Errorf("%q is not KEY=VALUE with a lower-case key", label)
		case slices.Contains(measured, key) || slices.ContainsFunc(config, func(p results.Param) bool { return p.Key == key }):
			return nil, fmt.Errorf("%q: there is a %s already", label, key)
		}
		config = append(config, results.Param{Key: key, Value: value})
	}
	return config, nil
}

// measured are the keys that a run finds out itself.
var measured = []string{"kernel", "goos", "goarch", "cpu", "page-size", "cgroup", "vm", "append", "program", "series"}
