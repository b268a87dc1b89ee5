package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
)

// A machine is an architecture's half of the image.
type machine struct {
	machine elf.Machine
	class   elf.Class
	order   binary.ByteOrder
	flags   uint32
	// prctl(PR_SET_NAME, argv[0]); exit(0). At the start of a program the stack
	// pointer points to argc, behind which argv[0] lies. Assembled by llvm-mc 14.
	code string
}

// machines are those that there is an image for, by Go's names.
var machines = map[string]machine{
	"386": {elf.EM_386, elf.ELFCLASS32, binary.LittleEndian, 0,
		"bb0f000000" + "8b4c2404" + "b8ac000000" + "cd80" + "31db" + "b801000000" + "cd80"},
	"amd64": {elf.EM_X86_64, elf.ELFCLASS64, binary.LittleEndian, 0,
		"bf0f000000" + "488b742408" + "b89d000000" + "0f05" + "31ff" + "b83c000000" + "0f05"},
	"arm": {elf.EM_ARM, elf.ELFCLASS32, binary.LittleEndian, 5 << 24, // EABI 5
		"0f00a0e3" + "04109de5" + "ac70a0e3" + "000000ef" + "0000a0e3" + "0170a0e3" + "000000ef"},
	"arm64": {elf.EM_AARCH64, elf.ELFCLASS64, binary.LittleEndian, 0,
		"e00180d2" + "e10740f9" + "e81480d2" + "010000d4" + "000080d2" + "a80b80d2" + "010000d4"},
	"mips64le": {elf.EM_MIPS, elf.ELFCLASS64, binary.LittleEndian, 8 << 28, // MIPS64 revision 2
		"0f000424" + "0800a5df" + "21140224" + "0c000000" + "00000424" + "c2130224" + "0c000000"},
	"ppc64le": {elf.EM_PPC64, elf.ELFCLASS64, binary.LittleEndian, 2, // ELFv2: the entry is code, no descriptor
		"0f006038" + "080081e8" + "ab000038" + "02000044" + "00006038" + "01000038" + "02000044"},
	"riscv64": {elf.EM_RISCV, elf.ELFCLASS64, binary.LittleEndian, 0,
		"1305f000" + "83358100" + "9308700a" + "73000000" + "13050000" + "9308d005" + "73000000"},
	"s390x": {elf.EM_S390, elf.ELFCLASS64, binary.BigEndian, 0,
		"a729000f" + "e330f0080004" + "0aac" + "a7290000" + "0a01"},
}

// base is where the image is loaded: a multiple of the largest page, above
// vm.mmap_min_addr.
const base, maxPage = 0x400000, 0x10000

// image returns the program for an architecture: one segment to read and execute,
// which is the whole file, and a stack that cannot be executed. There is none for
// an architecture that is not known.
func image(goarch string) (file []byte, ok bool) {
	m, ok := machines[goarch]
	if !ok {
		return nil, false
	}
	code, err := hex.DecodeString(m.code)
	if err != nil {
		return nil, false
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(m.class), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	if m.order == binary.BigEndian {
		ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	const readExec, readWrite = uint32(elf.PF_R | elf.PF_X), uint32(elf.PF_R | elf.PF_W)
	var head []any
	if m.class == elf.ELFCLASS64 {
		const header, program = 64, 56
		const start = header + 2*program
		size := uint64(start + len(code))
		head = []any{
			elf.Header64{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(m.machine), Version: uint32(elf.EV_CURRENT),
				Entry: base + start, Phoff: header, Flags: m.flags, Ehsize: header, Phentsize: program, Phnum: 2},
			elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: readExec, Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: maxPage},
			elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: readWrite},
		}
	} else {
		const header, program = 52, 32
		const start = header + 2*program
		size := uint32(start + len(code))
		head = []any{
			elf.Header32{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(m.machine), Version: uint32(elf.EV_CURRENT),
				Entry: base + start, Phoff: header, Flags: m.flags, Ehsize: header, Phentsize: program, Phnum: 2},
			elf.Prog32{Type: uint32(elf.PT_LOAD), Flags: readExec, Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: maxPage},
			elf.Prog32{Type: uint32(elf.PT_GNU_STACK), Flags: readWrite},
		}
	}
	var b bytes.Buffer
	for _, part := range append(head, code) {
		if err := binary.Write(&b, m.order, part); err != nil {
			return nil, false
		}
	}
	return b.Bytes(), true
}
