package vm

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Kernel is an image that can be booted, and what is known about it.
type Kernel struct {
	Name    string // architecture and release as Debian writes them: "amd64-6.1.0-56", "arm64-7.2.13+deb14-16k"
	GOARCH  string
	Path    string // of the image
	Release string // as uname -r says it; "" if the image does not say
	SHA256  string // of the image, hex

	Package string // Debian's package; "" for a kernel of one's own
	Version string // of the package
}

// Inspect finds out what the kernel image at path is. A file that is no kernel
// of a known architecture gives a *NotKernelError.
func Inspect(path string) (Kernel, error) {
	f, err := os.Open(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel image: %w", err)
	}
	defer f.Close()
	h, err := readHeader(f)
	if err != nil {
		return Kernel{}, &NotKernelError{Path: path, Reason: err.Error()}
	}
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Kernel{}, fmt.Errorf("kernel image: %w", err)
	}
	if _, err := io.Copy(sum, f); err != nil {
		return Kernel{}, fmt.Errorf("kernel image: %w", err)
	}
	k := Kernel{
		GOARCH:  h.goarch,
		Path:    path,
		Release: h.release,
		SHA256:  fmt.Sprintf("%x", sum.Sum(nil)),
	}
	if k.Release == "" {
		k.Release = releaseOfPath(path)
	}
	k.Name = Name(k.GOARCH, k.Release)
	return k, nil
}

// releaseOfPath takes the release from where kernels are usually installed:
// /boot/vmlinuz-RELEASE and /usr/lib/modules/RELEASE/vmlinuz.
func releaseOfPath(path string) string {
	base := filepath.Base(path)
	for _, p := range []string{"vmlinuz-", "vmlinux-", "Image-", "bzImage-"} {
		if release, ok := strings.CutPrefix(base, p); ok {
			return release
		}
	}
	if dir, module := filepath.Split(path); module == "vmlinuz" || module == "vmlinux" {
		if release := filepath.Base(dir); release != "" && release[0] >= '0' && release[0] <= '9' {
			return release
		}
	}
	return ""
}

// Name makes a kernel's name from its architecture and release. Debian ends
// releases in a flavour; the part of it that only repeats the architecture is
// left out.
func Name(goarch, release string) string {
	debian := goarch
	if a, err := LookupArch(goarch); err == nil {
		debian = a.Debian
	}
	if release == "" {
		return debian + "-unknown"
	}
	flavour := debian
	if debian == "ppc64el" {
		flavour = "powerpc64le"
	}
	if i := strings.Index(release, "-"+flavour); i >= 0 {
		rest := release[i+1+len(flavour):]
		if rest == "" || rest[0] == '-' {
			release = release[:i] + rest
		}
	}
	return debian + "-" + strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, release)
}
