package fleet_test

import (
	"errors"
	"fmt"

	"zombench/bench/fleet"
)

// Kubernetes tells its pods the node's name.
func ExampleConfig() {
	getenv := func(name string) string { return map[string]string{"NODE_NAME": "n17"}[name] }
	hostname := func() (string, error) { return "", errors.New("not asked") }
	fmt.Println(fleet.Config("", []string{"zone=eu-1"}, getenv, hostname))
	// Output: [{node n17} {zone eu-1}] <nil>
}
