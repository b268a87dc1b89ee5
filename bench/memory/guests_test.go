package memory

import (
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/guests"
	"zombench/bench/vm/initramfs"
)

var inGuest = flag.Int("guests", 0, "measure beside watchers in a guest too, so many times")

// What holds beside watchers on this machine holds under another kernel, where
// cgroups are version 2 and the CPU is slow.
func TestBesideWatchersInGuest(t *testing.T) {
	if *inGuest == 0 {
		t.Skip("takes a quarter of an hour; go test -guests 1 does it")
	}
	k := guests.Kernels(t, "6.1")[0]
	const terminal = "/lib/terminfo/d/dumb" // without which top ends
	files := append(guests.Installed(t, "top", "ps", "perl", "prometheus-node-exporter"), guests.Program(t, "zombench/cmd/zombied"),
		initramfs.File{Path: terminal, Source: terminal})
	init := guests.Test(t, "zombench/bench/memory")
	out, err := guests.Boot(t, k, 2048, 2*time.Hour, init, []string{init.Path, "-test.v", "-test.run=^TestBesideWatchers$", "-test.timeout=0", "-test.count=" + strconv.Itoa(*inGuest)}, files...)
	t.Log(out)
	if err != nil || !strings.Contains(out, "--- PASS: TestBesideWatchers ") {
		t.Error("the test has not passed there: ", err)
	}
}
