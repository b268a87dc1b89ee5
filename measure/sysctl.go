package measure

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

// SysctlPath returns the file of a sysctl, which is named as in sysctl(8):
// kernel.pid_max, or kernel/pid_max. ErrMalformed if that is no such name.
func (fs FS) SysctlPath(name string) (string, error) {
	rel := name
	if !strings.Contains(rel, "/") {
		rel = strings.ReplaceAll(rel, ".", "/")
	}
	if !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%w: %q is not the name of a sysctl", ErrMalformed, name)
	}
	return fs.proc("sys", rel), nil
}

// Sysctl reads a sysctl.
func (fs FS) Sysctl(name string) (string, error) {
	path, err := fs.SysctlPath(name)
	if err != nil {
		return "", err
	}
	data, err := readFile(path)
	return string(bytes.TrimSpace(data)), err
}

// SysctlUint reads a sysctl that is one number.
func (fs FS) SysctlUint(name string) (uint64, error) {
	path, err := fs.SysctlPath(name)
	if err != nil {
		return 0, err
	}
	return readUint(path)
}

// SetSysctl writes a sysctl that exists.
func (fs FS) SetSysctl(name, value string) error {
	path, err := fs.SysctlPath(name)
	if err != nil {
		return err
	}
	if err := writeFile(path, value); err != nil {
		return fmt.Errorf("setting %s to %s: %w", name, value, err)
	}
	return nil
}
