package initramfs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

type entry struct {
	Name, Content string
	Mode          cpio.FileMode
}

func unpack(t *testing.T, r io.Reader) []entry {
	t.Helper()
	var got []entry
	cr := cpio.NewReader(r)
	for {
		h, err := cr.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		e := entry{Name: h.Name, Mode: h.Mode}
		if h.Mode&^cpio.ModePerm == cpio.TypeSymlink {
			e.Content = h.Linkname
		} else {
			b, err := io.ReadAll(cr)
			if err != nil {
				t.Fatal(err)
			}
			e.Content = string(b)
		}
		got = append(got, e)
	}
}

func TestPack(t *testing.T) {
	src := filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(src, []byte("ELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []File{
		{Path: "/init", Source: src, Mode: 0o755},
		{Path: "/bin/zombench", Link: "/init"},
		{Path: "/etc/guest/config.json", Data: []byte("{}")},
		{Path: "/etc/guest/empty"},
	}
	var first, second bytes.Buffer
	if err := Pack(&first, files); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(src, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := Pack(&second, files); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files gave different archives")
	}
	want := []entry{
		{"init", "ELF", cpio.TypeReg | 0o755},
		{"bin", "", cpio.TypeDir | 0o755},
		{"bin/zombench", "/init", cpio.TypeSymlink | 0o777},
		{"etc", "", cpio.TypeDir | 0o755},
		{"etc/guest", "", cpio.TypeDir | 0o755},
		{"etc/guest/config.json", "{}", cpio.TypeReg | 0o644},
		{"etc/guest/empty", "", cpio.TypeReg | 0o644},
	}
	if diff := cmp.Diff(want, unpack(t, &first)); diff != "" {
		t.Error(diff)
	}
}

func TestPackRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []File
		want  string
	}{
		{"twice", []File{{Path: "/a"}, {Path: "/a"}}, "twice"},
		{"relative", []File{{Path: "a"}}, "absolute"},
		{"unclean", []File{{Path: "/a/../b"}}, "clean"},
		{"root", []File{{Path: "/"}}, "clean"},
		{"file as directory", []File{{Path: "/a"}, {Path: "/a/b"}}, "not a directory"},
		{"missing source", []File{{Path: "/a", Source: "/nonexistent/prog"}}, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Pack(io.Discard, tt.files)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
