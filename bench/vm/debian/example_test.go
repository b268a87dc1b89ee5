package debian_test

import (
	"fmt"

	"zombench/bench/vm"
	"zombench/bench/vm/debian"
)

// Patterns choose among what a mirror offers.
func ExampleSelect() {
	offers := []debian.Offer{
		{Kernel: vm.Kernel{Name: "amd64-6.1.0-50", Release: "6.1.0-50-amd64"}, Arch: "amd64"},
		{Kernel: vm.Kernel{Name: "amd64-6.12.107+deb13", Release: "6.12.107+deb13-amd64"}, Arch: "amd64"},
	}
	for _, pattern := range []string{"amd64-newest", "amd64-6.1", "*107*"} {
		found, err := debian.Select(offers, []string{pattern})
		fmt.Println(pattern, found[0].Name, err)
	}
	// Output:
	// amd64-newest amd64-6.12.107+deb13 <nil>
	// amd64-6.1 amd64-6.1.0-50 <nil>
	// *107* amd64-6.12.107+deb13 <nil>
}
