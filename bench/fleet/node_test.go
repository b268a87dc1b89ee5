package fleet

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

func TestConfig(t *testing.T) {
	host := func() (string, error) { return "host", nil }
	slurm := map[string]string{"SLURMD_NODENAME": "node7"}
	both := map[string]string{"SLURMD_NODENAME": "node7", "NODE_NAME": "pool-3"}
	for _, test := range []struct {
		node   string
		labels []string
		env    map[string]string
		want   []results.Param // nil: refused
	}{
		{want: []results.Param{{Key: "node", Value: "host"}}},
		{env: slurm, want: []results.Param{{Key: "node", Value: "node7"}}},
		{env: both, want: []results.Param{{Key: "node", Value: "pool-3"}}},
		{node: "n1", env: both, labels: []string{"zone=eu-1", "image=a=b"},
			want: []results.Param{{Key: "node", Value: "n1"}, {Key: "zone", Value: "eu-1"}, {Key: "image", Value: "a=b"}}},
		{labels: []string{"zone"}},
		{labels: []string{"zone="}},
		{labels: []string{"Zone=x"}},
		{labels: []string{"a zone=x"}},
		{labels: []string{"kernel=mine"}},
		{labels: []string{"append=quiet"}},
		{labels: []string{"node=n1"}},
		{labels: []string{"zone=a", "zone=b"}},
	} {
		got, err := Config(test.node, test.labels, func(key string) string { return test.env[key] }, host)
		if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != (test.want == nil) {
			t.Errorf("%q %q: error %v, %s", test.node, test.labels, err, diff)
		}
	}
	if _, err := Config("", nil, func(string) string { return "" }, func() (string, error) { return "", errors.New("no host name") }); err == nil {
		t.Error("a node without a name is no error")
	}
}
