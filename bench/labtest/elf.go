package labtest

import "encoding/binary"

// TrueELF is a program for amd64 that ends at once with status 0: elf(5).
func TrueELF() []byte {
	const base, headers = 0x400000, 64 + 56
	code := []byte{0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05} // xor edi, edi; mov eax, 60 (exit); syscall
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	u16 := func(vs ...uint16) {
		for _, v := range vs {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
	}
	u32 := func(vs ...uint32) {
		for _, v := range vs {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	u64 := func(vs ...uint64) {
		for _, v := range vs {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	size := uint64(headers + len(code))
	u16(2, 62) // ET_EXEC, EM_X86_64
	u32(1)
	u64(base+headers, 64, 0) // entry, program headers, no sections
	u32(0)
	u16(64, 56, 1, 0, 0, 0)
	u32(1, 5) // PT_LOAD, readable and executable
	u64(0, base, base, size, size, 0x1000)
	return append(b, code...)
}
