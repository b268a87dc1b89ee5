package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The image can be read again, holds the programs and runs the first of them; the
// same programs make the same image.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	programs := []string{filepath.Join(dir, "zombench"), filepath.Join(dir, "zombied")}
	for _, p := range programs {
		if err := os.WriteFile(p, []byte(p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	guests := filepath.Join(dir, "guests")
	for _, arch := range []string{"amd64", "s390x"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(guests, arch), 0o755), os.WriteFile(filepath.Join(guests, arch, "guest"), []byte(arch), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	const tag = "localhost/zombench:test"
	digests := make(map[string][]string) // of images with and without guests
	for _, out := range []string{"a.tar", "b.tar", "a-guests.tar", "b-guests.tar"} {
		guests := guests
		want := []string{"bin/zombench", "bin/zombied", "lib/zombench/guests/amd64/guest", "lib/zombench/guests/s390x/guest"}
		if !strings.Contains(out, "guests") {
			guests, want = "", want[:2]
		}
		out = filepath.Join(dir, out)
		if err := write(out, tag, "arm64", guests, programs); err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag(tag)
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(out, &ref)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[guests] = append(digests[guests], digest.String())
		config, err := image.ConfigFile()
		if err != nil || config.Architecture != "arm64" || config.Config.Entrypoint[0] != "/bin/zombench" {
			t.Errorf("%+v, %v", config, err)
		}
		files := mutate.Extract(image)
		var names []string
		for r := tar.NewReader(files); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				names = append(names, h.Name)
			}
		}
		files.Close()
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("%s holds %q, want %q", out, names, want)
		}
	}
	with, without := digests[guests], digests[""]
	if with[0] != with[1] || without[0] != without[1] || with[0] == without[0] {
		t.Errorf("two builds differ: %q", digests)
	}
	none := filepath.Join(dir, "none.tar")
	if err := write(none, tag, "amd64", "", []string{filepath.Join(dir, "nothing")}); err == nil {
		t.Error("an image was made of a program that is not there")
	}
	if err := write(none, tag, "amd64", t.TempDir(), programs); err == nil {
		t.Error("an image was made with guests that are not there")
	}
}
