package zombietest

import (
	"flag"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/guests"
)

var inGuests = flag.Bool("guests", false, "run the live tests of the BPF packages under other kernels, in guests")

// What reads the kernel's structs does so under other kernels: the live tests of
// the packages pass in guests, and none is skipped for want of BPF.
func TestUnderOtherKernels(t *testing.T) {
	if !*inGuests {
		t.Skip("takes minutes; go test -guests does it")
	}
	init := guests.Program(t, "./testdata/guest")
	files, args := guests.Installed(t, "perl"), []string{init.Path}
	for _, pkg := range []string{"btf", "bpf", "taskscan", "lifecycle", "watch"} {
		file := guests.Test(t, "zombench/measure/"+pkg)
		files, args = append(files, file), append(args, file.Path)
	}
	for _, series := range []string{"5.10", "6.1", "6.12", "7"} {
		t.Run(series, func(t *testing.T) {
			out, err := guests.Boot(t, guests.Kernels(t, series)[0], 1024, 10*time.Minute, init, args, files...)
			t.Log(out)
			if err != nil {
				t.Error(err)
			}
			for _, want := range []string{"PASS: TestMembersAsCilium", "PASS: TestAsProc", "PASS: TestCgroupRemoved", "PASS: TestCount", "PASS: TestExact", "PASS: TestLatency", "PASS: TestSums", "PASS: TestCapabilities"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q", want)
				}
			}
		})
	}
}
