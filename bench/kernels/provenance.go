package kernels

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"zombench/bench/vm"
)

// provenance says, for the head of a result file, what was booted and how.
func provenance(k vm.Kernel, qemu, cpu string) []string {
	image := imageOf(k)
	if k.Package != "" {
		image += ", SHA-256 " + k.SHA256
	}
	return []string{image, fmt.Sprintf("%s, CPU model %s", qemu, cpu)}
}

// imageOf says where an image is from; of one's own, by its sum.
func imageOf(k vm.Kernel) string {
	if k.Package == "" {
		return "kernel image of a file of one's own, SHA-256 " + k.SHA256
	}
	return fmt.Sprintf("kernel image of Debian package %s %s", k.Package, k.Version)
}

// qemuVersion returns the line in which QEMU says its version.
func qemuVersion(ctx context.Context, qemu string) string {
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return filepath.Base(qemu) + " of unknown version"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
