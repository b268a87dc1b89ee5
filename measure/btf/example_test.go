package btf_test

import (
	"errors"
	"fmt"

	"zombench/measure"
	"zombench/measure/btf"
)

// A kernel without BTF is known by the kind of the error.
func ExampleLoad() {
	_, err := btf.Load(measure.FS{Sys: "/nowhere"})
	fmt.Println(errors.Is(err, measure.ErrNotSupported))
	// Output: true
}
