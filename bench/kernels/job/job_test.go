package job

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

func TestJobReachesTheGuest(t *testing.T) {
	want := Job{
		Fields:  map[string]string{"count": "1,22", "parallel": "3"},
		Samples: 4, Seed: math.MaxUint64, Version: "v1",
		Keys:     []results.Param{{Key: "vm", Value: "tcg"}, {Key: "zone", Value: `a "b"`}},
		Comments: []string{"two words", `QEMU "7"`},
	}
	c, err := want.Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Args[0] != Zombench {
		t.Errorf("the guest runs %s", c.Args[0])
	}
	got, err := Parse(c.Args[1:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"{}", "{}"}, {""}, {"--count"}} {
		if j, err := Parse(args); err == nil {
			t.Errorf("%q became %+v", args, j)
		}
	}
}
