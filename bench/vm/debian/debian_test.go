package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/bench/vm"
	"zombench/results"
)

// etc makes a /etc/apt of the given files.
func etc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const deb822 = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzr
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main
Enabled: no
`

const oneLine = `# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian stable main contrib # here
deb-src http://mirror.example/debian stable main
deb http://mirror.example/security stable-security main
deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example/apt bookworm main
deb http://other.example/apt cloud-bookworm main
deb http://third.example/debian bookworm stable
deb broken
`

func TestOpen(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("no apt-get here")
	}
	for _, tt := range []struct {
		name, main, secure string
		files              map[string]string
		suites             []string
	}{
		{"deb822", "http://mirror.example/debian", "http://mirror.example/debian-security",
			map[string]string{"sources.list.d/debian.sources": deb822}, []string{"bookworm", "bookworm-updates", "bookworm-security"}},
		{"one line", "http://mirror.example/debian", "http://mirror.example/security",
			map[string]string{"sources.list": oneLine}, []string{"stable", "stable-security"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := open(t.TempDir(), etc(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.suites, r.Suites()); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(r.main.uris, []string{tt.main}) || !slices.Equal(r.secure.uris, []string{tt.secure}) {
				t.Errorf("mirrors %v and %v", r.main.uris, r.secure.uris)
			}
		})
	}
	for name, files := range map[string]map[string]string{
		"none":    {},
		"foreign": {"sources.list": "deb http://vendor.example/apt jammy main\n"},
	} {
		if _, err := open(t.TempDir(), etc(t, files)); !errors.Is(err, ErrNoDebian) {
			t.Errorf("%s: got %v, want ErrNoDebian", name, err)
		}
	}
}

func TestStanza(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("no apt-get here")
	}
	r, err := open(t.TempDir(), etc(t, map[string]string{"sources.list.d/debian.sources": deb822}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.stanza(pair{"trixie-security", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"URIs: http://mirror.example/debian-security\n", "Suites: trixie-security\n",
		"Architectures: amd64\n", "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	r.secure = source{}
	if _, err := r.stanza(pair{"trixie-security", "amd64"}); err == nil {
		t.Error("a security suite without a security mirror went unnoticed")
	}
}

// packages is in the form of a mirror's list; the hashes are invented.
const packages = `Package: a
Size: many

Package: linux-image-6.1.0-50-amd64-unsigned
Source: linux
Version: 6.1.176-1
Size: 1
SHA256: aa

Package: linux-image-6.1.0-50-amd64
Version: 6.1.176-1
Description: has a
 Size: 7
 in the middle
Size: 70305560
SHA256: bb

Package: linux-image-6.1.0-50-amd64-dbg
Version: 6.1.176-1
Size: 2
SHA256: cc

Package: linux-image-6.1.0-50-cloud-amd64
Version: 6.1.176-1
Size: 3
SHA256: dd

Package: linux-image-amd64
Version: 6.1.176-1
Size: 4
SHA256: ee

Package: linux-image-6.12-amd64-signed-template
Version: 6.12.1-1
Size: 5
SHA256: ff

Package: linux-image-7.3.4+deb13-amd64
Version: 7.3.4-1~bpo13+1
Size: 6
SHA256: 11

Package: linux-binary-7.3.4+deb13-amd64
Version: 7.3.4-1~bpo13+1
Size: 14138336
SHA256: 22

Package: linux-headers-7.3.4+deb13-amd64
Version: 7.3.4-1~bpo13+1
Size: 7
SHA256: 33`

func offers(t *testing.T) []Offer {
	t.Helper()
	some, err := parseIndex(strings.NewReader(packages))
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]*Offer)
	for _, p := range []pair{{"bookworm", "amd64"}, {"bookworm-security", "amd64"}} {
		for _, o := range some {
			add(o, p, m)
		}
	}
	var all []Offer
	for _, o := range m {
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b Offer) int { return results.CompareReleases(a.Release, b.Release) })
	return all
}

func TestParseIndex(t *testing.T) {
	suites := []string{"bookworm", "bookworm-security"}
	kernel := func(name, release, pkg, version string) vm.Kernel {
		return vm.Kernel{Name: name, GOARCH: "amd64", Release: release, Package: pkg, Version: version}
	}
	want := []Offer{
		{kernel("amd64-6.1.0-50", "6.1.0-50-amd64", "linux-image-6.1.0-50-amd64", "6.1.176-1"), "amd64", suites, 70305560, "bb"},
		{kernel("amd64-6.1.0-50-cloud", "6.1.0-50-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"), "amd64", suites, 3, "dd"},
		{kernel("amd64-7.3.4+deb13", "7.3.4+deb13-amd64", "linux-binary-7.3.4+deb13-amd64", "7.3.4-1~bpo13+1"), "amd64", suites, 14138336, "22"},
	}
	if diff := cmp.Diff(want, offers(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := parseIndex(strings.NewReader("Package: linux-image-1\nSize: many\n")); err == nil {
		t.Error("a size that is no number went unnoticed")
	}
}

func TestSelect(t *testing.T) {
	all := offers(t)
	for _, tt := range []struct {
		patterns string
		want     string
	}{
		{"amd64-6.1.0-50-cloud", "amd64-6.1.0-50-cloud"},
		{"amd64-newest", "amd64-7.3.4+deb13"},
		{"amd64-oldest", "amd64-6.1.0-50"},
		{"amd64-6.1", "amd64-6.1.0-50"},
		{"amd64-6.*", "amd64-6.1.0-50 amd64-6.1.0-50-cloud"},
		{"amd64-newest amd64-7.3 *", "amd64-7.3.4+deb13 amd64-6.1.0-50 amd64-6.1.0-50-cloud"},
		{"amd64-6", "amd64-6.1.0-50"},
		{"amd64-7.3.4", "amd64-7.3.4+deb13"},
		{"amd64-7.3.40", ""},
		{"amd64-6.1.0", "amd64-6.1.0-50"},
		{"amd64-6.1.0-5", ""},
		{"amd64-5.10", ""},
		{"arm64-newest", ""},
		{"[", ""},
	} {
		got, err := Select(all, strings.Fields(tt.patterns))
		var names []string
		for _, o := range got {
			names = append(names, o.Name)
		}
		if strings.Join(names, " ") != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: got %v, %v, want %q", tt.patterns, names, err, tt.want)
		}
	}
}

func TestFindImage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		found bool
	}{
		{"./boot/vmlinuz-6.1.0-50-amd64", true},
		{"./boot/vmlinux-6.1.0-50-amd64", true},
		{"./usr/lib/modules/6.1.0-50-amd64/vmlinuz", true},
		{"./boot/vmlinuz-6.1.0-51-amd64", false},
		{"./boot/config-6.1.0-50-amd64", false},
		{"./../boot/vmlinuz-6.1.0-50-amd64", false},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "./boot/", Typeflag: tar.TypeDir, Mode: 0o755})
		w.WriteHeader(&tar.Header{Name: tt.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 5})
		w.Write([]byte("image"))
		w.Close()
		dest := filepath.Join(t.TempDir(), "vmlinuz")
		found, err := findImage(&b, "6.1.0-50-amd64", dest)
		if err != nil || found != tt.found {
			t.Errorf("%s: found %v, %v", tt.name, found, err)
		}
		if got, _ := os.ReadFile(dest); (string(got) == "image") != tt.found {
			t.Errorf("%s: wrote %q", tt.name, got)
		}
	}
}

// TestExtract takes an image out of a package that is far larger than a pipe,
// and does not wait for the rest of it.
func TestExtract(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb here")
	}
	root := t.TempDir()
	for name, content := range map[string]string{
		"DEBIAN/control":         "Package: linux-image-1.2.3-amd64\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n",
		"boot/vmlinuz-1.2.3":     "image",
		"lib/modules/1.2.3/x.ko": strings.Repeat("module", 1<<20),
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(t.TempDir(), "x.deb")
	if out, err := exec.Command("dpkg-deb", "-Znone", "--build", root, deb).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dest := filepath.Join(t.TempDir(), "vmlinuz")
	if err := extract(context.Background(), deb, "1.2.3", dest); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(dest); string(got) != "image" {
		t.Errorf("got %q", got)
	}
	if err := extract(context.Background(), deb, "4.5.6", dest+"2"); err == nil || !strings.Contains(err.Error(), "no image") {
		t.Errorf("no image in the package: %v", err)
	}
	if err := extract(context.Background(), filepath.Join(root, "DEBIAN/control"), "1.2.3", dest+"3"); err == nil {
		t.Error("no package: no error")
	}
}

func TestCached(t *testing.T) {
	dir := t.TempDir()
	if all, err := Cached(dir); err != nil || len(all) != 0 {
		t.Errorf("an empty cache: %v, %v", all, err)
	}
	k := filepath.Join(dir, "kernels", "amd64-1.2.3")
	if err := os.MkdirAll(k, 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(k, imageFile), []byte("image"), 0o644)
	os.WriteFile(filepath.Join(k, recordFile), []byte(`{"name":"amd64-1.2.3","goarch":"amd64","release":"1.2.3","sha256":"6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d","package":"p","version":"v"}`), 0o644)
	all, err := Cached(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []vm.Kernel{{Name: "amd64-1.2.3", GOARCH: "amd64", Path: filepath.Join(k, imageFile), Release: "1.2.3",
		SHA256: "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d", Package: "p", Version: "v"}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	os.WriteFile(filepath.Join(k, imageFile), []byte("imagE"), 0o644)
	if _, err := Cached(dir); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a changed image: %v", err)
	}
}

func FuzzParseDeb822(f *testing.F) {
	f.Add(deb822)
	f.Add(" x\n:\n")
	f.Fuzz(func(t *testing.T, s string) {
		all, err := parseDeb822(strings.NewReader(s))
		if err == nil && len(all) > strings.Count(s, "\n")+1 {
			t.Errorf("%d sources of %d lines", len(all), strings.Count(s, "\n")+1)
		}
	})
}
