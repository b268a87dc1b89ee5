package labtest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
)

// A witness is a test that only notes whether it has failed.
type witness struct {
	testing.TB
	failed bool
}

func (w *witness) Helper()               {}
func (w *witness) Errorf(string, ...any) { w.failed = true }
func (w *witness) Fatalf(string, ...any) { w.failed = true }
func (w *witness) Fatal(...any)          { w.failed = true }

func TestGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden")
	fails := func(got string) bool {
		w := &witness{TB: t}
		labtest.Golden(w, path, []byte(got))
		return w.failed
	}
	update := func(value string) {
		if err := flag.Set("update", value); err != nil {
			t.Fatal(err)
		}
	}
	defer update(flag.Lookup("update").Value.String())

	update("false")
	if !fails("one") {
		t.Error("a golden file that is not there passes")
	}
	update("true")
	if fails("one") {
		t.Error("no golden file is written")
	}
	update("false")
	if fails("one") || !fails("two") {
		t.Error("what was written is not what is compared")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSet(t *testing.T) {
	n := 1
	e := bench.Experiment{Name: "toy", Fields: []bench.Field{{Name: "count", Value: bench.Int(&n, 1, 9)}}}
	labtest.Set(t, e, map[string]string{"count": "5"})
	if n != 5 {
		t.Errorf("count is %d, want 5", n)
	}
	for _, fields := range []map[string]string{{"count": "10"}, {"size": "5"}} {
		w := &witness{TB: t}
		labtest.Set(w, e, fields)
		if !w.failed || n != 5 {
			t.Errorf("%v: count is %d", fields, n)
		}
	}
}
