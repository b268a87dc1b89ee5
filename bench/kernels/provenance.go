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
func provenance(k vm.Kernel, qemu, cpu string, params []string) []string {
	from := "a file of one's own"
	if k.Package != "" {
		from = fmt.Sprintf("Debian package %s %s", k.Package, k.Version)
	}
	comments := []string{
		fmt.Sprintf("kernel image of %s, SHA-256 %s", from, k.SHA256),
		fmt.Sprintf("%s, CPU model %s", qemu, cpu),
	}
	if len(params) > 0 {
		comments = append(comments, "further kernel parameters: "+strings.Join(params, " "))
	}
	return comments
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
