package kernels

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// bzImage writes the head of an image for i386: Documentation/arch/x86/boot.rst.
func bzImage(t *testing.T, name, tail string) string {
	t.Helper()
	image := make([]byte, 0x300)
	copy(image[0x1fe:], "\x55\xaa\x00\x00HdrS\x0c\x02")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(image, tail...), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// cache makes a directory of kernels that were fetched.
func cache(t *testing.T, releases ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, release := range releases {
		name := "i386-" + strings.TrimSuffix(release, "-686-pae")
		image := bzImage(t, filepath.Join(dir, "kernels", name, "vmlinuz"), release)
		content, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		record := fmt.Sprintf(`{"name":%q,"goarch":"386","release":%q,"sha256":"%x","package":"linux-image-%s","version":"1"}`,
			name, release, sha256.Sum256(content), release)
		if err := os.WriteFile(filepath.Join(filepath.Dir(image), "kernel.json"), []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFindWithoutDebian: what is here is found though there is no apt.
func TestFindWithoutDebian(t *testing.T) {
	dir := cache(t, "6.1.0-50-686-pae", "6.12.1-686-pae")
	file := bzImage(t, filepath.Join(t.TempDir(), "vmlinuz-1.2.3"), "")
	t.Setenv("PATH", t.TempDir())
	for _, tt := range []struct {
		patterns string
		want     string
		fails    string // in the error
		noticed  int
	}{
		{"i386-6.1.0-50", "i386-6.1.0-50", "", 0},
		{"i386-newest i386-6.1 i386-oldest", "i386-6.12.1 i386-6.1.0-50", "", 1},
		{"i386-6.1* i386-6.1.0-50", "i386-6.1.0-50 i386-6.12.1", "", 1},
		{file, "i386-1.2.3", "", 0},
		{file + " " + file, "i386-1.2.3", "", 0},
		{"./nonexistent i386-6.12.1", "i386-6.12.1", "no such file", 0},
		{"i386-5.10 i386-6.12", "i386-6.12.1", `no kernel "i386-5.10" is offered`, 1},
		{"vax-newest i386-6.12.1", "i386-6.12.1", `unknown architecture "vax"`, 0},
		{"i386-[", "", "syntax error in pattern", 0},
	} {
		var notices []string
		r := Resolver{Dir: dir, Notice: func(s string) { notices = append(notices, s) }}
		found, err := r.Find(t.Context(), strings.Fields(tt.patterns))
		var names []string
		for _, k := range found {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: found %s, want %s", tt.patterns, got, tt.want)
		}
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: error %v, want %q", tt.patterns, err, tt.fails)
		}
		if len(notices) != tt.noticed {
			t.Errorf("%s: notices %q, want %d", tt.patterns, notices, tt.noticed)
		}
		if tt.patterns == "i386-[" && !errors.Is(err, path.ErrBadPattern) {
			t.Errorf("%v is not path.ErrBadPattern", err)
		}
	}
}

func TestListCached(t *testing.T) {
	r := Resolver{Dir: cache(t, "6.1.0-50-686-pae", "6.12.1-686-pae")}
	for _, tt := range []struct {
		archs    []string
		patterns []string
		want     int
	}{
		{nil, nil, 2},
		{[]string{"i386"}, nil, 2},
		{[]string{"amd64"}, nil, 0},
		{nil, []string{"i386-6.12.*"}, 1},
	} {
		listed, err := r.List(t.Context(), tt.archs, tt.patterns, true)
		if err != nil || len(listed) != tt.want {
			t.Errorf("%v %v: %v, %v", tt.archs, tt.patterns, listed, err)
		}
		for _, k := range listed {
			if k.Path == "" {
				t.Errorf("%s was not fetched", k.Name)
			}
		}
	}
}

// A series is in the order of releases, and of one flavour.
func TestSeries(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := Resolver{Dir: cache(t, "6.12.1-686-pae", "6.1.0-9-686-pae", "6.1.0-50-686-pae", "6.1.0-50-rt-686-pae", "7.1.1+deb14-686-pae"), Notice: func(string) {}}
	for _, tt := range []struct{ old, new, want, fails string }{
		{"i386-oldest", "i386-6.12", "i386-6.1.0-9 i386-6.1.0-50 i386-6.12.1", ""},
		{"i386-6.1.0-50", "i386-newest", "i386-6.1.0-50 i386-6.12.1 i386-7.1.1+deb14", ""},
		{"i386-newest", "i386-oldest", "", "is not older than"},
		{"i386-newest", "i386-7.1.1+deb14", "", "from one kernel to one other"},
		{"i386-6.1.0-9", "i386-6.1.0-50-rt", "", "of one flavour"},
		{"i386-oldest", "amd64-newest", "", "of one architecture"},
		{"./bzImage", "i386-newest", "", "unknown architecture"},
	} {
		c, err := r.Series(t.Context(), tt.old, tt.new)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s %s: error %v, want %q", tt.old, tt.new, err, tt.fails)
			}
			continue
		}
		var names []string
		for _, k := range c.Kernels {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want {
			t.Errorf("%s %s: %s, %v; want %s", tt.old, tt.new, got, err, tt.want)
		}
	}
}
