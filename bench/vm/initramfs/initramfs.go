// Package initramfs packs the files of a guest into the archive that Linux
// unpacks as its first root file system: newc cpio, plain or gzipped.
//
// The same files give the same bytes, whenever and wherever they are packed.
// It knows no device nodes: guests mount devtmpfs. Before they do there is no
// /dev/console, and the kernel starts their init without open descriptors.
//
// The format is described in the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.
package initramfs

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// A File is one entry of the archive. One of Source and Link is set, or none: then
// Data, which may be empty, is the content.
type File struct {
	Path string // where it lies in the guest, absolute
	Mode uint32 // permission bits; 0 means 0644

	Data   []byte // content
	Source string // file on the host that holds the content
	Link   string // target of a symbolic link
}

// Pack writes files to w in the given order, preceded by the directories that
// they need. A path that comes twice is an error.
func Pack(w io.Writer, files []File) error {
	p := packer{w: cpio.NewWriter(w), seen: make(map[string]bool)}
	for _, f := range files {
		if err := p.add(f); err != nil {
			return fmt.Errorf("packing %s into the initramfs: %w", f.Path, err)
		}
	}
	if err := p.w.Close(); err != nil {
		return fmt.Errorf("finishing the initramfs: %w", err)
	}
	return nil
}

type packer struct {
	w    *cpio.Writer
	seen map[string]bool // paths written, true for directories
}

func (p *packer) add(f File) error {
	if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
		return fmt.Errorf("not a clean absolute path")
	}
	if err := p.parents(path.Dir(f.Path)); err != nil {
		return err
	}
	if _, ok := p.seen[f.Path]; ok {
		return fmt.Errorf("the path comes twice")
	}
	mode := cpio.TypeReg | cpio.FileMode(cmp.Or(f.Mode, 0o644))&cpio.ModePerm
	switch {
	case f.Link != "":
		return p.entry(f.Path, cpio.TypeSymlink|0o777, int64(len(f.Link)), strings.NewReader(f.Link))
	case f.Source == "":
		return p.entry(f.Path, mode, int64(len(f.Data)), bytes.NewReader(f.Data))
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	return p.entry(f.Path, mode, fi.Size(), src)
}

// parents writes the directories of dir that are not there yet. The kernel
// creates none by itself.
func (p *packer) parents(dir string) error {
	if dir == "/" {
		return nil
	}
	if isDir, ok := p.seen[dir]; ok {
		if !isDir {
			return fmt.Errorf("%s is not a directory", dir)
		}
		return nil
	}
	if err := p.parents(path.Dir(dir)); err != nil {
		return err
	}
	err := p.entry(dir, cpio.TypeDir|0o755, 0, strings.NewReader(""))
	p.seen[dir] = true
	return err
}

// entry writes one header and its content. Owner root, no times: the archive
// depends on nothing but its arguments.
func (p *packer) entry(name string, mode cpio.FileMode, size int64, content io.Reader) error {
	p.seen[name] = false
	h := &cpio.Header{
		Name:  strings.TrimPrefix(name, "/"),
		Mode:  mode,
		Size:  size,
		Links: 1,
	}
	if err := p.w.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.w, content)
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%d bytes instead of %d: it changed while it was read", n, size)
	}
	return nil
}
