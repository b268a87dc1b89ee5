package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	const tag = "localhost/zombench:test"
	var digests []string
	for _, out := range []string{"a.tar", "b.tar"} {
		out = filepath.Join(dir, out)
		if err := write(out, tag, "arm64", programs); err != nil {
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
		digests = append(digests, digest.String())
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
			names = append(names, h.Name)
		}
		files.Close()
		for _, want := range []string{"bin/zombench", "bin/zombied"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s is not among %q", want, names)
			}
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds differ: %q", digests)
	}
	if err := write(filepath.Join(dir, "none.tar"), tag, "amd64", []string{filepath.Join(dir, "nothing")}); err == nil {
		t.Error("an image was made of a program that is not there")
	}
}
