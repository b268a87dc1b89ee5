package bpf_test

import (
	"errors"
	"fmt"
	"syscall"

	"zombench/measure"
	"zombench/measure/bpf"
)

// An error of bpf(2) gets a kind: a caller that lacks the right for BPF falls back on
// /proc, and says so.
func ExampleClassify() {
	err := bpf.Classify(syscall.EPERM)
	fmt.Println(errors.Is(err, measure.ErrNotPermitted), errors.Is(err, measure.ErrNotSupported))
	// Output:
	// true false
}
