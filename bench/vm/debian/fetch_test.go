package debian

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench/vm"
)

// TestFetch downloads two kernels of which the mirror has one: with one call of
// apt-get, and what came is kept.
func TestFetch(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("no dpkg-deb here")
	}
	r, err := open(t.TempDir(), etc(t, map[string]string{"sources.list": oneLine}))
	if err != nil {
		t.Skip(err)
	}
	image := make([]byte, 0x300) // Documentation/arch/x86/boot.rst
	copy(image[0x1fe:], "\x55\xaa\x00\x00HdrS\x0c\x02")
	root, bin := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		"DEBIAN/control":             "Package: linux-image-1.2.3-686-pae\nVersion: 1:1\nArchitecture: i386\nMaintainer: x <x@example.org>\nDescription: x\n",
		"boot/vmlinuz-1.2.3-686-pae": string(image),
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(bin, "linux-image-1.2.3-686-pae_1%3a1_i386.deb")
	if out, err := exec.Command(dpkg, "-Znone", "--build", root, deb).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(release, version string) Offer {
		return Offer{Kernel: vm.Kernel{Name: "i386-" + strings.TrimSuffix(release, "-686-pae"), GOARCH: "386", Release: release,
			Package: "linux-image-" + release, Version: version}, Arch: "i386", Suites: []string{"stable"}, PackageSHA256: fmt.Sprintf("%x", sha256.Sum256(content))}
	}
	// apt-get as it behaves when the mirror lacks one of several packages.
	script := "#!/bin/sh\necho \"$@\" >>" + bin + "/calls\ncp " + bin + "/*.deb .\necho 'E: Failed to fetch 4.5.6  404  Not Found' >&2\nexit 100\n"
	if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	offers := []Offer{offer("4.5.6-686-pae", "1"), offer("1.2.3-686-pae", "1:1")}
	for range 2 { // the second time it is there
		kernels, err := r.Fetch(t.Context(), offers)
		if err == nil || !strings.Contains(err.Error(), "404  Not Found") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line that says what apt-get said", err)
		}
		if len(kernels) != 1 || kernels[0].Name != "i386-1.2.3" || kernels[0].Version != "1:1" {
			t.Errorf("got %+v, want the other kernel", kernels)
		}
	}
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "download linux-image-4.5.6-686-pae:i386=1 linux-image-1.2.3-686-pae:i386=1:1") ||
		strings.Contains(lines[1], "1.2.3") {
		t.Errorf("apt-get was called so: %q", lines)
	}
	if left, _ := filepath.Glob(r.dir + "/fetch-*"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	offers[1].PackageSHA256 = strings.Repeat("0", 64)
	os.RemoveAll(kernelsDir(r.dir))
	if _, err := r.Fetch(t.Context(), offers[1:]); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a package that is not the one of the list: %v", err)
	}
}
