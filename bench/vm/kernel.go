package vm

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Kernel is an image that can be booted, and what is known about it.
type Kernel struct {
	Name    string `json:"name"` // architecture and release as Debian writes them: "amd64-6.1.0-56", "arm64-7.2.13+deb14-16k"
	GOARCH  string `json:"goarch"`
	Path    string `json:"-"`       // of the image
	Release string `json:"release"` // as uname -r says it; "" if the image does not say
	SHA256  string `json:"sha256"`  // of the image, hex

	Package string `json:"package"` // Debian's package; "" for a kernel of one's own
	Version string `json:"version"` // of the package
}

// Inspect finds out what the kernel image at path is, or the one that was built in a
// kernel's tree there. A file that is no kernel of a known architecture gives a
// *NotKernelError.
func Inspect(path string) (Kernel, error) {
	path, built, err := inTree(path)
	if err != nil {
		return Kernel{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel image: %w", err)
	}
	defer f.Close()
	h, err := readHeader(f)
	if err != nil {
		return Kernel{}, &NotKernelError{Path: path, Reason: err.Error()}
	}
	sum, err := Sum(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel image: %w", err)
	}
	release := cmp.Or(h.release, built, releaseOfPath(path))
	return Kernel{Name: Name(h.goarch, release), GOARCH: h.goarch, Path: path, Release: release, SHA256: sum}, nil
}

// Sum returns the SHA-256 of a file, in hex.
func Sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// images are where a kernel's tree holds what QEMU boots of each architecture, as its
// arch/*/Makefile says: the first is the best.
var images = []string{
	"arch/x86/boot/bzImage", "arch/arm64/boot/Image", "arch/arm/boot/zImage", "arch/riscv/boot/Image",
	"arch/s390/boot/bzImage", "arch/loongarch/boot/vmlinuz.efi", "vmlinux",
}

// inTree returns the image in a directory in which a kernel was built, and its release;
// any other path as it is.
func inTree(path string) (image, release string, err error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, "", nil // Open complains
	}
	if b, err := os.ReadFile(filepath.Join(path, "include/config/kernel.release")); err == nil {
		release = strings.TrimSpace(string(b))
	}
	for _, name := range images {
		image = filepath.Join(path, name)
		if _, err := os.Stat(image); err == nil {
			return image, release, nil
		}
	}
	return "", "", fmt.Errorf("kernel image: no kernel was built in %s: it has none of %s", path, strings.Join(images, ", "))
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
	return debian + "-" + Word(release)
}

// Word makes a text fit for a file's name.
func Word(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}
