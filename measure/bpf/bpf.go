package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/btf"
)

// Types are a kernel's, of which programs are put together.
type Types struct{ *btf.Types }

// Load reads the types of a kernel, see btf.Load.
func Load(host measure.FS) (*Types, error) {
	types, err := btf.Load(host)
	return &Types{types}, err
}

// Member returns where a member is in its struct, in bytes, and its size, see
// btf.Types.Member.
func (t *Types) Member(path string) (offset uint32, size asm.Size) {
	offset, bytes := t.Types.Member(path)
	switch bytes {
	case 1:
		return offset, asm.Byte
	case 2:
		return offset, asm.Half
	case 4:
		return offset, asm.Word
	}
	return offset, asm.DWord
}

// LoadMember is the instruction dst = src->member.
func (t *Types) LoadMember(dst, src asm.Register, path string) asm.Instruction {
	offset, size := t.Member(path)
	return asm.LoadMem(dst, src, int16(offset), size)
}

// An Iterator is a program that the kernel calls for each of what it iterates over
// (Linux 5.8).
type Iterator struct {
	program *ebpf.Program
	link    *link.Iter
}

// NewIterator loads an iterator over what is named, such as "task".
func (t *Types) NewIterator(name, over string, code asm.Instructions) (*Iterator, error) {
	p, err := t.newProgram(name, unix.BPF_TRACE_ITER, t.Func, "bpf_iter_"+over, code)
	if err != nil {
		return nil, err
	}
	l, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		p.Close()
		return nil, Classify(fmt.Errorf("attaching %v: %w", p, err))
	}
	return &Iterator{p, l}, nil
}

// Open begins a walk: what the program writes is read from it.
func (i *Iterator) Open() (io.ReadCloser, error) {
	r, err := i.link.Open()
	return r, Classify(err)
}

// Close unloads it.
func (i *Iterator) Close() error { return errors.Join(i.link.Close(), i.program.Close()) }

// NewTracepoint loads a program for a tracepoint, which gets its arguments as they
// are in the kernel.
func (t *Types) NewTracepoint(name, tracepoint string, code asm.Instructions) (*ebpf.Program, error) {
	return t.newProgram(name, unix.BPF_TRACE_RAW_TP, t.Typedef, "btf_trace_"+tracepoint, code)
}

// Untrusted is src as a pointer that the kernel's check of a program takes for no
// more than the address of a struct, given in R0 (bpf_rdonly_cast, Linux 6.2; none
// before, where src is moved). All that is loaded by it is as untrusted; what it
// spares is the kernel's search through all types for each pointer that is loaded by
// a trusted one, half a millisecond each time (btf_nested_type_is_trusted, 6.3). It
// uses R1 to R5.
func (t *Types) Untrusted(src asm.Register, name string) asm.Instructions {
	cast, id := t.Func("bpf_rdonly_cast"), t.Struct(name)
	if cast == 0 || id == 0 {
		return asm.Instructions{asm.Mov.Reg(asm.R0, src)}
	}
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, src), asm.Mov.Imm(asm.R2, int32(id)),
		{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(cast)},
	}
}

// newProgram loads a program of the tracing type.
func (t *Types) newProgram(name string, attach uint32, number func(string) uint32, to string, code asm.Instructions) (*ebpf.Program, error) {
	if err := t.Err(); err != nil {
		return nil, err
	}
	target := number(to)
	if target == 0 {
		return nil, fmt.Errorf("%w: the kernel has no %s", measure.ErrNotSupported, to)
	}
	// Up to Linux 5.10 BPF is charged to RLIMIT_MEMLOCK. If it is not raised,
	// loading says so.
	_ = rlimit.RemoveMemlock()
	var instructions bytes.Buffer
	var order binary.ByteOrder = binary.BigEndian
	if native := [2]byte{1}; binary.NativeEndian.Uint16(native[:]) == 1 {
		order = binary.LittleEndian
	}
	if err := code.Marshal(&instructions, order); err != nil {
		return nil, fmt.Errorf("putting the BPF program %s together: %w", name, err)
	}
	fd, err := load(name, attach, target, instructions.Bytes(), nil)
	if err != nil {
		log := make([]byte, 64<<10) // what the kernel has against it
		_, again := load(name, attach, target, instructions.Bytes(), log)
		if why := lastLine(log); again != nil && why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		return nil, Classify(fmt.Errorf("loading the BPF program %s: %w", name, err))
	}
	p, err := ebpf.NewProgramFromFD(fd)
	if err != nil {
		return nil, Classify(fmt.Errorf("loading the BPF program %s: %w", name, err))
	}
	return p, nil
}

// loadAttr is union bpf_attr of BPF_PROG_LOAD as of Linux 5.8.
type loadAttr struct {
	progType, count          uint32
	instructions, license    uint64
	logLevel, logSize        uint32
	log                      uint64
	kernelVersion, flags     uint32
	name                     [unix.BPF_OBJ_NAME_LEN]byte
	ifindex, attachType      uint32
	btf, funcInfoSize        uint32
	funcInfo                 uint64
	funcInfoCount, lineSize  uint32
	lineInfo                 uint64
	lineInfoCount, attachBTF uint32
}

// load is bpf(BPF_PROG_LOAD). It is not cilium/ebpf's, which finds what to attach
// to by a parser of its own, see Types.
func load(name string, attach, target uint32, code, log []byte) (fd int, err error) {
	license := []byte("GPL\x00") // of the helpers that it calls
	attr := loadAttr{
		progType: unix.BPF_PROG_TYPE_TRACING, count: uint32(len(code) / 8),
		instructions: pointer(code), license: pointer(license),
		attachType: attach, attachBTF: target,
	}
	copy(attr.name[:len(attr.name)-1], name)
	if log != nil {
		attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), pointer(log)
	}
	for range 5 { // a signal interrupts the check of a program (EAGAIN)
		var r uintptr
		var errno unix.Errno
		r, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		fd, err = int(r), nil
		if errno != 0 {
			fd, err = -1, errno
		}
		if errno != unix.EAGAIN {
			break
		}
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	runtime.KeepAlive(log)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

func pointer(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func lastLine(log []byte) string {
	log, _, _ = bytes.Cut(log, []byte{0})
	log, _, _ = bytes.Cut(log, []byte("\nVerification failed:")) // Linux 7.3 says it again, in many words
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- { // statistics come last
		if !bytes.HasPrefix(lines[i], []byte("processed ")) && !bytes.HasPrefix(lines[i], []byte("verification time")) {
			return string(lines[i])
		}
	}
	return ""
}

// AttachTracepoint attaches a program of NewTracepoint.
func AttachTracepoint(p *ebpf.Program) (link.Link, error) {
	l, err := link.AttachTracing(link.TracingOptions{Program: p})
	if err != nil {
		return nil, Classify(fmt.Errorf("attaching %v: %w", p, err))
	}
	return l, nil
}

// Classify gives an error of bpf(2) the kind that callers decide by. One that is
// of neither kind says nothing of the kernel: the check itself could not be made.
func Classify(err error) error {
	switch {
	case err == nil, errors.Is(err, measure.ErrNotPermitted), errors.Is(err, measure.ErrNotSupported):
		return err
	case errors.Is(err, unix.EPERM): // not EACCES: that is how the kernel refuses a bad program
		return fmt.Errorf("%w: needs CAP_BPF and CAP_PERFMON: %w", measure.ErrNotPermitted, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.ENOSYS), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", measure.ErrNotSupported, err)
	}
	return err
}
