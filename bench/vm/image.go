package vm

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/klauspost/compress/zstd"
)

// header is what a kernel image says about itself.
type header struct {
	goarch  string
	release string // "" if it lies compressed

	// An EFI zboot image: the kernel proper is compressed inside.
	zboot               string // compression, "" otherwise
	payload, payloadLen int64
}

var (
	errNoImage = errors.New("no known header (bzImage, zImage, Image, vmlinux, EFI zboot)")
	releaseRE  = regexp.MustCompile(`Linux version (\d+\.[^ \x00%]{1,64}) \(`)
)

const (
	maxRelease  = 64      // bytes: __NEW_UTS_LEN
	headerBytes = 0x10010 // reaches the mark of s390x
)

// readHeader recognizes the images of the architectures in archs. Sources, in
// the kernel's tree: Documentation/arch/x86/boot.rst, arm64/booting.rst,
// riscv/boot-image-header.rst; arch/arm/boot/compressed/head.S;
// arch/s390/boot/head.S; drivers/firmware/efi/libstub/zboot-header.S.
func readHeader(f io.ReaderAt) (header, error) {
	b := make([]byte, headerBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return header{}, err
	}
	if n == 0 {
		return header{}, errors.New("the file is empty")
	}
	b = b[:n]
	at := func(off int, magic string) bool { return bytes.HasPrefix(b[min(off, n):], []byte(magic)) }
	switch {
	case at(0x202, "HdrS"), at(0x1fe, "\x55\xaaHdrS"):
		return x86Header(f, b)
	case at(0, "MZ\x00\x00zimg"):
		return zbootHeader(b)
	case at(0x38, "ARM\x64"):
		return header{goarch: "arm64", release: findRelease(f)}, nil
	case at(0x38, "RSC\x05"):
		return header{goarch: "riscv64", release: findRelease(f)}, nil
	case at(0x24, "\x18\x28\x6f\x01"):
		return header{goarch: "arm", release: findRelease(f)}, nil
	case at(0x10008, "S390EP"):
		return header{goarch: "s390x", release: findRelease(f)}, nil
	case at(0, elf.ELFMAG):
		return elfHeader(f)
	case at(0, "MZ") && peArch(b) == "loong64":
		return header{goarch: "loong64", release: findRelease(f)}, nil
	}
	return header{}, errNoImage
}

func x86Header(f io.ReaderAt, b []byte) (header, error) {
	if len(b) < 0x240 {
		return header{}, errors.New("a bzImage cut short")
	}
	h := header{goarch: "386"}
	// xloadflags (protocol 2.12): bit 0 says that there is a 64-bit entry point.
	if binary.LittleEndian.Uint16(b[0x206:]) >= 0x020c && b[0x236]&1 != 0 {
		h.goarch = "amd64"
	}
	if off := binary.LittleEndian.Uint16(b[0x20e:]); off != 0 {
		v := make([]byte, maxRelease+1)
		n, _ := f.ReadAt(v, int64(off)+0x200)
		v = v[:n]
		if i := bytes.IndexAny(v, " \x00"); i > 0 {
			h.release = string(v[:i])
		}
	}
	return h, nil
}

func zbootHeader(b []byte) (header, error) {
	if len(b) < 0x40 {
		return header{}, errors.New("an EFI zboot image cut short")
	}
	comp := b[0x18:0x38]
	if i := bytes.IndexByte(comp, 0); i >= 0 {
		comp = comp[:i]
	}
	h := header{
		goarch:     peArch(b),
		zboot:      string(comp),
		payload:    int64(binary.LittleEndian.Uint32(b[8:])),
		payloadLen: int64(binary.LittleEndian.Uint32(b[12:])),
	}
	if h.goarch == "" {
		return header{}, errors.New("an EFI zboot image for an unknown machine")
	}
	return h, nil
}

// peArch returns the GOARCH of a PE image's machine, "" if it is none of ours.
func peArch(b []byte) string {
	if len(b) < 0x40 {
		return ""
	}
	off := int64(binary.LittleEndian.Uint32(b[0x3c:]))
	if off+6 > int64(len(b)) || !bytes.HasPrefix(b[off:], []byte("PE\x00\x00")) {
		return ""
	}
	switch binary.LittleEndian.Uint16(b[off+4:]) {
	case 0x8664:
		return "amd64"
	case 0xaa64:
		return "arm64"
	case 0x5064:
		return "riscv64"
	case 0x6264:
		return "loong64"
	}
	return ""
}

func elfHeader(f io.ReaderAt) (header, error) {
	e, err := elf.NewFile(f)
	if err != nil {
		return header{}, fmt.Errorf("a damaged ELF file: %w", err)
	}
	if e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return header{}, fmt.Errorf("an ELF file of type %v", e.Type)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return header{}, errors.New("a program, not a kernel")
		}
	}
	var goarch string
	little := e.ByteOrder == binary.LittleEndian
	switch {
	case e.Machine == elf.EM_PPC64 && little:
		goarch = "ppc64le"
	case e.Machine == elf.EM_MIPS && little && e.Class == elf.ELFCLASS64:
		goarch = "mips64le"
	case e.Machine == elf.EM_LOONGARCH && e.Class == elf.ELFCLASS64:
		goarch = "loong64"
	case e.Machine == elf.EM_X86_64, e.Machine == elf.EM_AARCH64, e.Machine == elf.EM_386,
		e.Machine == elf.EM_ARM, e.Machine == elf.EM_RISCV, e.Machine == elf.EM_S390:
		return header{}, fmt.Errorf("an ELF file for %v: QEMU boots the bzImage or Image made from it", e.Machine)
	default:
		return header{}, fmt.Errorf("an ELF file for %v", e.Machine)
	}
	return header{goarch: goarch, release: findRelease(f)}, nil
}

// findRelease looks for the kernel's banner in an image that is not compressed.
func findRelease(f io.ReaderAt) string {
	const overlap = 256
	buf := make([]byte, 1<<20)
	for off := int64(0); ; off += int64(len(buf) - overlap) {
		n, err := f.ReadAt(buf, off)
		if m := releaseRE.FindSubmatch(buf[:n]); m != nil {
			return string(m[1])
		}
		if err != nil {
			return ""
		}
	}
}

// openImage opens a kernel image in the form in which QEMU takes it: an EFI
// zboot image is unpacked.
func openImage(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("kernel image: %w", err)
	}
	h, err := readHeader(f)
	if err != nil {
		f.Close()
		return nil, &NotKernelError{Path: path, Reason: err.Error()}
	}
	if h.zboot == "" {
		return f, nil
	}
	defer f.Close()
	var z io.Reader
	switch payload := io.NewSectionReader(f, h.payload, h.payloadLen); h.zboot {
	case "gzip":
		z, err = gzip.NewReader(payload)
	case "zstd":
		z, err = zstd.NewReader(payload, zstd.WithDecoderConcurrency(1))
	default:
		return nil, &NotKernelError{Path: path, Reason: fmt.Sprintf("an EFI zboot image compressed by %s: give the Image inside", h.zboot)}
	}
	if err != nil {
		return nil, &NotKernelError{Path: path, Reason: "a damaged EFI zboot image: " + err.Error()}
	}
	raw, err := memfile("kernel")
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(raw, z); err != nil {
		raw.Close()
		return nil, &NotKernelError{Path: path, Reason: "a damaged EFI zboot image: " + err.Error()}
	}
	return raw, nil
}
