package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// An Accel is how QEMU runs the guest's instructions.
type Accel string

const (
	TCG Accel = "tcg" // software emulation: everywhere, slow, times mean nothing
	KVM Accel = "kvm" // the machine's own virtualization
)

// probeExit is the status with which the probe's boot sector ends QEMU: the
// device isa-debug-exit makes 2*value+1 of what is written to it.
const probeExit = 2*0x10 + 1

// ProbeKVM reports whether a guest of the given architecture really runs by KVM
// here. /dev/kvm may be there and not work, or hang, so it runs a guest of
// three instructions for at most five seconds. Only x86 can be asked.
func ProbeKVM(ctx context.Context, goarch string) bool {
	if runtime.GOARCH != "amd64" || (goarch != "amd64" && goarch != "386") {
		return false
	}
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		return false
	} else {
		f.Close()
	}
	arch, err := LookupArch(goarch)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// mov al, 0x10; out 0xf4, al; hlt
	return probe(ctx, arch, KVM, "\xb0\x10\xe6\xf4\xf4")
}

// probe runs a boot sector of the given code, and reports whether it has ended
// QEMU by itself.
func probe(ctx context.Context, arch Arch, accel Accel, code string) bool {
	qemu, err := arch.LookQEMU()
	if err != nil {
		return false
	}
	disk, err := memfile("probe")
	if err != nil {
		return false
	}
	defer disk.Close()
	sector := make([]byte, 512)
	copy(sector, code)
	sector[510], sector[511] = 0x55, 0xaa
	if _, err := disk.Write(sector); err != nil {
		return false
	}
	// A processor that KVM cannot have is found out here: QEMU would abort later.
	cmd := exec.CommandContext(ctx, qemu, "-accel", string(accel), "-cpu", arch.CPU, "-M", "pc", "-m", "16",
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1",
		"-drive", "file=/proc/self/fd/3,format=raw,if=floppy,readonly=on")
	cmd.ExtraFiles = []*os.File{disk}
	cmd.WaitDelay = time.Second
	var exit *exec.ExitError
	return errors.As(cmd.Run(), &exit) && exit.ExitCode() == probeExit
}
