package vm

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// put writes s into b at off.
func put(b []byte, off int, s string) []byte {
	copy(b[off:], s)
	return b
}

func bzImage(xload uint16) []byte {
	b := make([]byte, 0x4000)
	put(b, 0x1fe, "\x55\xaa")
	put(b, 0x202, "HdrS\x0f\x02")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x3000-0x200)
	binary.LittleEndian.PutUint16(b[0x236:], xload)
	return put(b, 0x3000, "6.1.0-50-amd64 (someone@example.org) #1 SMP\x00")
}

func zboot(machine uint16, compression string, payload []byte) []byte {
	b := make([]byte, 0x100)
	put(b, 0, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
	put(b, 0x18, compression)
	binary.LittleEndian.PutUint32(b[0x3c:], 0x40)
	put(b, 0x40, "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x44:], machine)
	return append(b, payload...)
}

func vmlinux(machine elf.Machine, class elf.Class, interp bool) []byte {
	var h bytes.Buffer
	ident := [16]byte{0x7f, 'E', 'L', 'F', byte(class), byte(elf.ELFDATA2LSB), 1}
	phnum := uint16(0)
	if interp {
		phnum = 1
	}
	binary.Write(&h, binary.LittleEndian, elf.Header64{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(machine),
		Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: phnum, Shentsize: 64})
	if interp {
		binary.Write(&h, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64})
	}
	h.WriteString("....Linux version 7.2.13+deb14-powerpc64le (debian) ")
	return h.Bytes()
}

func TestReadHeader(t *testing.T) {
	banner := "Linux version 5.10.0-32-x (someone@example.org)"
	// The banner lies across the border of two reads.
	far := put(make([]byte, 2<<20), 0x38, "ARM\x64")
	put(far, 1<<20-10, banner)
	for _, tt := range []struct {
		name            string
		image           []byte
		goarch, release string
		err             string
	}{
		{"bzImage of 64 bits", bzImage(0x7f), "amd64", "6.1.0-50-amd64", ""},
		{"bzImage of 32 bits", bzImage(0), "386", "6.1.0-50-amd64", ""},
		{"bzImage cut", bzImage(1)[:0x210], "", "", "cut short"},
		{"arm64 Image", put(put(make([]byte, 4096), 0x38, "ARM\x64"), 1000, banner), "arm64", "5.10.0-32-x", ""},
		{"arm64 Image, banner far inside", far, "arm64", "5.10.0-32-x", ""},
		{"arm64 zboot", zboot(0xaa64, "gzip", nil), "arm64", "", ""},
		{"loong64 zboot", zboot(0x6264, "zstd", nil), "loong64", "", ""},
		{"zboot for another machine", zboot(0x1234, "gzip", nil), "", "", "unknown machine"},
		{"riscv64 Image", put(make([]byte, 4096), 0x38, "RSC\x05"), "riscv64", "", ""},
		{"arm zImage", put(make([]byte, 4096), 0x24, "\x18\x28\x6f\x01"), "arm", "", ""},
		{"s390x", put(make([]byte, 0x11000), 0x10008, "S390EP"), "s390x", "", ""},
		{"ppc64le vmlinux", vmlinux(elf.EM_PPC64, elf.ELFCLASS64, false), "ppc64le", "7.2.13+deb14-powerpc64le", ""},
		{"mips64le vmlinux", vmlinux(elf.EM_MIPS, elf.ELFCLASS64, false), "mips64le", "7.2.13+deb14-powerpc64le", ""},
		{"amd64 vmlinux", vmlinux(elf.EM_X86_64, elf.ELFCLASS64, false), "", "", "bzImage"},
		{"sparc vmlinux", vmlinux(elf.EM_SPARCV9, elf.ELFCLASS64, false), "", "", "EM_SPARCV9"},
		{"a program", vmlinux(elf.EM_PPC64, elf.ELFCLASS64, true), "", "", "not a kernel"},
		{"ELF cut", []byte(elf.ELFMAG), "", "", "damaged ELF"},
		{"empty", nil, "", "", "empty"},
		{"text", []byte("#!/bin/sh\n"), "", "", "no known header"},
		{"zeros", make([]byte, 0x20000), "", "", "no known header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := readHeader(bytes.NewReader(tt.image))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %+v, %v, want an error with %q", h, err, tt.err)
				}
				return
			}
			if err != nil || h.goarch != tt.goarch || h.release != tt.release {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
}

func TestOpenImage(t *testing.T) {
	packed := func(pack func(io.Writer) io.WriteCloser) []byte {
		var z bytes.Buffer
		w := pack(&z)
		w.Write([]byte("the kernel proper"))
		w.Close()
		return z.Bytes()
	}
	gz := packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	zst := packed(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
	file := func(b []byte) string {
		name := filepath.Join(t.TempDir(), "vmlinuz")
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, image := range [][]byte{zboot(0xaa64, "gzip", gz), zboot(0x6264, "zstd", zst)} {
		f, err := openImage(file(image))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(f); string(b) != "the kernel proper" {
			t.Errorf("got %q, %v", b, err)
		}
	}
	var nk *NotKernelError
	for name, b := range map[string][]byte{
		"damaged":             zboot(0xaa64, "gzip", gz[:12]),
		"damaged zstd":        zboot(0xaa64, "zstd", zst[:6]),
		"unknown compression": zboot(0xaa64, "zstd22", nil),
		"text":                []byte("hello"),
	} {
		if _, err := openImage(file(b)); !errors.As(err, &nk) {
			t.Errorf("%s: got %v, want a *NotKernelError", name, err)
		}
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ goarch, release, want string }{
		{"amd64", "6.1.0-56-amd64", "amd64-6.1.0-56"},
		{"amd64", "6.1.0-56-cloud-amd64", "amd64-6.1.0-56-cloud"},
		{"arm64", "7.3.4+deb13-arm64-16k", "arm64-7.3.4+deb13-16k"},
		{"arm", "5.10.0-32-armmp-lpae", "armhf-5.10.0-32-armmp-lpae"},
		{"386", "6.1.0-50-686-pae", "i386-6.1.0-50-686-pae"},
		{"ppc64le", "7.2.13+deb14-powerpc64le-64k", "ppc64el-7.2.13+deb14-64k"},
		{"mips64le", "6.1.0-50-5kc-malta", "mips64el-6.1.0-50-5kc-malta"},
		{"amd64", "6.9.1-amd64v3", "amd64-6.9.1-amd64v3"},
		{"amd64", "", "amd64-unknown"},
		{"amd64", "../x y", "amd64-.._x_y"},
	} {
		if got := Name(tt.goarch, tt.release); got != tt.want {
			t.Errorf("Name(%q, %q) = %q, want %q", tt.goarch, tt.release, got, tt.want)
		}
	}
}

func TestReleaseOfPath(t *testing.T) {
	for path, want := range map[string]string{
		"/boot/vmlinuz-6.1.0-50-amd64":                "6.1.0-50-amd64",
		"/usr/lib/modules/7.2.13+deb14-s390x/vmlinuz": "7.2.13+deb14-s390x",
		"/home/me/linux/arch/x86/boot/bzImage":        "",
		"/cache/kernels/s390x-7.2.13+deb14/vmlinuz":   "",
		"vmlinuz": "",
	} {
		if got := releaseOfPath(path); got != want {
			t.Errorf("releaseOfPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(bzImage(1))
	f.Add(zboot(0xaa64, "gzip", nil))
	f.Add(vmlinux(elf.EM_PPC64, elf.ELFCLASS64, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		if _, err := LookupArch(h.goarch); err != nil {
			t.Errorf("%+v: %v", h, err)
		}
	})
}

// A directory in which a kernel was built is as good as its image.
func TestInspectTree(t *testing.T) {
	tree := t.TempDir()
	if _, err := Inspect(tree); err == nil || !strings.Contains(err.Error(), "no kernel was built in") {
		t.Errorf("an empty directory: %v", err)
	}
	for name, content := range map[string]string{
		"arch/arm64/boot/Image":         string(put(make([]byte, 4096), 0x38, "ARM\x64")),
		"include/config/kernel.release": "7.3.0-rc1+\n",
		"vmlinux":                       "not looked at",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Inspect(tree)
	if err != nil || k.Name != "arm64-7.3.0-rc1+" || k.Path != filepath.Join(tree, "arch/arm64/boot/Image") {
		t.Errorf("%+v, %v", k, err)
	}
}
