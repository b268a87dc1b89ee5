package kernels

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench/vm"
)

// The guests' programs are those that are asked for, else those that can be built, else
// those that are installed; and where there are none, that is said.
func TestFindPrograms(t *testing.T) {
	arch, err := vm.LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	guests := t.TempDir()
	dir := filepath.Join(guests, arch.GOARCH)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(self, filepath.Join(dir, "guest"))); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	const tmp = "/nonexistent/tmp"
	outside, empty := t.TempDir(), t.TempDir()
	for _, tt := range []struct {
		name      string
		fleet     Fleet
		wd        string
		dir, from string
		missing   []string // in the error; nil if there are programs, or they are not built yet
	}{
		{"given", Fleet{Guest: guests, Source: "x"}, source, guests, "", nil},
		{"given, and not there", Fleet{Guest: empty}, source, empty, "", []string{empty + "/amd64/guest: no such file", "make guests builds them"}},
		{"the source given", Fleet{Source: "x"}, outside, tmp, "x", nil},
		{"in the source", Fleet{}, source, tmp, source, nil},
		{"elsewhere", Fleet{}, outside, installed(self), "", []string{installed(self) + "/amd64/guest: no such file", "the package zombench-guests", outside + " is not in zombench's source"}},
		{"in another module", Fleet{}, filepath.Join(source, "../../cmd/package"), installed(self), "", []string{"cmd/package is not in zombench's source"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(tt.wd)
			p, err := tt.fleet.findPrograms(tmp)
			if err != nil || p.dir != tt.dir || p.source != tt.from {
				t.Fatalf("%+v, %v; want those in %q, built from %q", p, err, tt.dir, tt.from)
			}
			if p.source != "" {
				return
			}
			err = p.build(t.Context(), arch)
			if (err != nil) != (tt.missing != nil) {
				t.Errorf("error %v", err)
			}
			for _, want := range tt.missing {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want one line with %q", err, want)
				}
			}
		})
	}
	if got, want := installed("/usr/bin/zombench"), "/usr/lib/zombench/guests"; got != want {
		t.Errorf("installed in %s, want %s", got, want)
	}
}

// Programs of another version might take a job for another one.
func TestSameBuild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := sameBuild(self, mainVersion()); err != nil {
		t.Error(err)
	}
	if err := sameBuild(self, "v9.9.9"); err == nil || !strings.HasSuffix(err.Error(), "and this is v9.9.9") {
		t.Errorf("a program of another version: %v", err)
	}
	if err := sameBuild("/dev/null", mainVersion()); err == nil {
		t.Error("no program at all is taken for one")
	}
}
