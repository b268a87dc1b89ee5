package vm

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// An Arch is an architecture as Go, Debian and QEMU call it, and the machine
// that QEMU is asked for.
type Arch struct {
	GOARCH string
	Env    []string // further variables for `go build`
	Debian string   // dpkg's name

	QEMU    string // qemu-system-...
	Package string // Debian package that holds it
	Machine string // -M
	CPU     string // -cpu: fixed, since x86's task_struct holds the FPU state of the model
	Memory  int    // MiB; threads-max grows with it: 1534 at 256 MiB on amd64
	Console string // the kernel's name for the serial console
	Params  string // further kernel parameters
}

// x86 kernels count timer interrupts while they boot, and panic ("IO-APIC + timer
// doesn't work!") where a busy host emulates too few of them. What a kernel says
// before it has found its console comes by an early one, which it has to be told
// of; without it a guest too small to begin looks like one that hangs.
const x86Params = "no_timer_check earlycon=uart8250,io,0x3f8"

// earlycon is the same where a device tree names the port.
const earlycon = "earlycon"

// archs are the machines known to work. Debian's 5.10 and 6.1 have their
// virtio consoles as modules only, so each has a console of another kind.
var archs = []Arch{
	{GOARCH: "amd64", Debian: "amd64", QEMU: "qemu-system-x86_64", Package: "qemu-system-x86",
		CPU: "max", Memory: 512, Console: "ttyS0", Params: x86Params},
	{GOARCH: "386", Debian: "i386", QEMU: "qemu-system-i386", Package: "qemu-system-x86",
		Machine: "pc", CPU: "max", Memory: 512, Console: "ttyS0", Params: x86Params},
	{GOARCH: "arm64", Debian: "arm64", QEMU: "qemu-system-aarch64", Package: "qemu-system-arm",
		Machine: "virt", CPU: "neoverse-n1", Memory: 512, Console: "ttyAMA0", Params: earlycon},
	{GOARCH: "arm", Env: []string{"GOARM=7"}, Debian: "armhf", QEMU: "qemu-system-arm", Package: "qemu-system-arm",
		Machine: "virt", CPU: "cortex-a15", Memory: 512, Console: "ttyAMA0", Params: earlycon},
	{GOARCH: "ppc64le", Debian: "ppc64el", QEMU: "qemu-system-ppc64", Package: "qemu-system-ppc",
		Machine: "pseries", CPU: "power9", Memory: 1024, Console: "hvc0"},
	{GOARCH: "s390x", Debian: "s390x", QEMU: "qemu-system-s390x", Package: "qemu-system-misc",
		Machine: "s390-ccw-virtio", CPU: "max", Memory: 512, Console: "ttyS0"},
	{GOARCH: "riscv64", Debian: "riscv64", QEMU: "qemu-system-riscv64", Package: "qemu-system-misc",
		Machine: "virt", CPU: "rv64", Memory: 512, Console: "ttyS0", Params: earlycon},
	{GOARCH: "mips64le", Debian: "mips64el", QEMU: "qemu-system-mips64el", Package: "qemu-system-mips",
		Machine: "malta", CPU: "MIPS64R2-generic", Memory: 512, Console: "ttyS0"},
	// QEMU 7.2 has not the CPU model; 10 boots the Image without firmware, and then
	// there is no keyboard controller, which the kernel faults on.
	{GOARCH: "loong64", Debian: "loong64", QEMU: "qemu-system-loongarch64", Package: "qemu-system-misc",
		Machine: "virt", CPU: "max", Memory: 1024, Console: "ttyS0", Params: earlycon + " initcall_blacklist=i8042_init"},
}

// Archs returns every architecture that can be booted.
func Archs() []Arch { return slices.Clone(archs) }

// LookupArch finds an architecture by the name that Go or Debian gives it.
func LookupArch(name string) (Arch, error) {
	for _, a := range archs {
		if name == a.GOARCH || name == a.Debian {
			return a, nil
		}
	}
	known := make([]string, 0, len(archs))
	for _, a := range archs {
		known = append(known, a.Debian)
	}
	return Arch{}, fmt.Errorf("unknown architecture %q; known are %s", name, strings.Join(known, ", "))
}

// LookQEMU returns the path of the architecture's QEMU.
func (a Arch) LookQEMU() (string, error) {
	path, err := exec.LookPath(a.QEMU)
	if err != nil {
		return "", fmt.Errorf("%s not found in PATH; on Debian: apt-get install --no-install-recommends %s", a.QEMU, a.Package)
	}
	return path, nil
}
