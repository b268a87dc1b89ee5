package kernels_test

import (
	"fmt"

	"zombench/bench/kernels"
)

func ExampleDebianArchs() {
	fmt.Println(kernels.DebianArchs([]string{"ppc64le", "s390x"}))
	fmt.Println(kernels.DefaultKernels())
	// Output:
	// [ppc64el s390x] <nil>
	// [amd64-oldest amd64-6.12 amd64-newest arm64-newest]
}
