package memory

import (
	"flag"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/guests"
)

var inGuest = flag.Bool("guests", false, "measure beside watchers in a guest too")

// What holds beside watchers on this machine holds under another kernel, where
// cgroups are version 2 and the CPU is slow.
func TestBesideWatchersInGuest(t *testing.T) {
	if !*inGuest {
		t.Skip("takes half an hour; go test -guests does it")
	}
	k := guests.Kernels(t, "6.1")[0]
	files := append(guests.Installed(t, "top", "ps", "perl", "prometheus-node-exporter"), guests.Program(t, "zombench/cmd/zombied"))
	init := guests.Test(t, "zombench/bench/memory")
	out, err := guests.Boot(t, k, 2048, 2*time.Hour, init, []string{init.Path, "-test.v", "-test.run=^TestBesideWatchers$", "-test.timeout=0"}, files...)
	t.Log(out)
	if err != nil || !strings.Contains(out, "--- PASS: TestBesideWatchers ") {
		t.Error("the test has not passed there: ", err)
	}
}
