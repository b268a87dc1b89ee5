// Image packs the programs that it is given into a container image, from scratch and
// without a container engine: a file as docker load, podman load and ctr images import
// take it, and crane push. What zombench boots in guests is a layer of its own.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
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
	guests := flag.String("guests", "", "`directory` of the guests' programs (default: without them)")
	flag.Parse()
	if err := write(*out, *tag, *arch, *guests, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

// write writes an image whose entry point is the first of the programs.
func write(out, tag, arch, guests string, programs []string) error {
	if out == "" || len(programs) == 0 {
		return fmt.Errorf("want -o FILE and programs")
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	seconds, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	when := time.Unix(seconds, 0).UTC()
	layers := []func(*tar.Writer) error{func(w *tar.Writer) error { return pack(w, programs, when) }}
	if guests != "" {
		layers = append(layers, func(w *tar.Writer) error { return packTree(w, guests, "lib/zombench/guests", when) })
	}
	image := empty.Image
	for _, write := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(write(w), w.Close()); err != nil {
			return err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
		if err != nil {
			return err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: when}
	config.Config = v1.Config{Entrypoint: []string{"/bin/" + filepath.Base(programs[0])}, Env: []string{"PATH=/bin"}}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	return tarball.WriteToFile(out, ref, image)
}

// pack writes the programs, and the directories in which they write.
func pack(w *tar.Writer, programs []string, when time.Time) error {
	for _, dir := range []tar.Header{{Name: "bin/", Mode: 0o755}, {Name: "run/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}} {
		dir.Typeflag, dir.ModTime = tar.TypeDir, when
		if err := w.WriteHeader(&dir); err != nil {
			return err
		}
	}
	for _, path := range programs {
		if err := packFile(w, path, "bin/"+filepath.Base(path), when); err != nil {
			return err
		}
	}
	return nil
}

// packTree writes the programs in the directories of dir, in order.
func packTree(w *tar.Writer, dir, as string, when time.Time) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s holds no programs of guests; make guests builds them", dir)
	}
	for _, path := range paths {
		err = errors.Join(err, packFile(w, path, filepath.Join(as, filepath.Base(filepath.Dir(path)), filepath.Base(path)), when))
	}
	return err
}

func packFile(w *tar.Writer, path, as string, when time.Time) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: as, Mode: 0o755, ModTime: when, Size: int64(len(data))})
	}
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}
