// Image packs the programs that it is given into a container image, from scratch and
// without a container engine: a file as docker load, podman load and ctr images import
// take it, and crane push.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	out := flag.String("o", "", "write the image to this `file`")
	tag := flag.String("tag", "localhost/zombench:latest", "`name` of the image")
	arch := flag.String("arch", "amd64", "`GOARCH` of the programs")
	flag.Parse()
	if err := write(*out, *tag, *arch, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

// write writes an image whose entry point is the first of the programs.
func write(out, tag, arch string, programs []string) error {
	if out == "" || len(programs) == 0 {
		return fmt.Errorf("want -o FILE and programs")
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	seconds, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	files, err := pack(programs, time.Unix(seconds, 0).UTC())
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: time.Unix(seconds, 0).UTC()}
	config.Config = v1.Config{Entrypoint: []string{"/bin/" + filepath.Base(programs[0])}, Env: []string{"PATH=/bin"}}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	return tarball.WriteToFile(out, ref, image)
}

// pack makes a layer of the programs, and of the directories in which they write.
func pack(programs []string, when time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) error {
		h.ModTime, h.Size = when, int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	for _, dir := range []tar.Header{{Name: "bin/", Mode: 0o755}, {Name: "run/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}} {
		dir.Typeflag = tar.TypeDir
		if err := add(dir, nil); err != nil {
			return nil, err
		}
	}
	for _, path := range programs {
		data, err := os.ReadFile(path)
		if err == nil {
			err = add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/" + filepath.Base(path), Mode: 0o755}, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}
