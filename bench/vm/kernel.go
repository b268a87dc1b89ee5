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
	Name    string // architecture and release as Debian writes them: "amd64-6.1.0-56", "arm64-7.2.13+deb14-16k"
	GOARCH  string
	Path    string // of the image
	Release string // as uname -r says it; "" if the image does not say
	SHA256  string // of the image, hex

	Package string // Debian's package; "" for a kernel of one's own
	Version string // of the package
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
		k.Release = cmp.Or(built, releaseOfPath(path))
	}
	k.Name = Name(k.GOARCH, k.Release)
	return k, nil
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
	return debian + "-" + strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, release)
}
