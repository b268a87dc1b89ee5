package vm_test

import (
	"fmt"

	"zombench/bench/vm"
)

// An architecture goes by the name that Go or Debian gives it.
func ExampleLookupArch() {
	arch, err := vm.LookupArch("ppc64el")
	fmt.Println(arch.GOARCH, arch.QEMU, arch.Machine, err)
	_, err = vm.LookupArch("vax")
	fmt.Println(err)
	// Output:
	// ppc64le qemu-system-ppc64 pseries <nil>
	// unknown architecture "vax"; known are amd64, i386, arm64, armhf, ppc64el, s390x, riscv64, mips64el, loong64
}
