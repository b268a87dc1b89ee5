package kmemtrace

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring is the buffer into which the kernel writes the records of one CPU
// (perf_event_open(2), section MMAP layout).
type ring struct {
	fds  []int  // events; the first one owns the buffer
	mem  []byte // a page of control, then the data
	meta *unix.PerfEventMmapPage
	data []byte
	buf  []byte // a record that wraps around, put together
}

// openRing opens all tracepoints on one CPU. They do not count yet.
func openRing(cpu int, formats []format, bytes int) (_ *ring, err error) {
	r := new(ring)
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for i, f := range formats {
		attr := unix.PerfEventAttr{
			Type:        unix.PERF_TYPE_TRACEPOINT,
			Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
			Config:      f.id,
			Sample:      1, // every event
			Sample_type: unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_TIME | unix.PERF_SAMPLE_RAW,
			Bits:        unix.PerfBitDisabled | unix.PerfBitUseClockID,
			Clockid:     unix.CLOCK_MONOTONIC,
		}
		if i == 0 {
			attr.Bits |= unix.PerfBitTask | unix.PerfBitComm // record forks and execs too
		}
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return nil, classify(fmt.Errorf("opening a tracepoint on cpu %d: %w", cpu, os.NewSyscallError("perf_event_open", err)))
		}
		r.fds = append(r.fds, fd)
		if f.filter != "" {
			text, err := unix.BytePtrFromString(f.filter)
			if err == nil {
				err = ioctlPtr(fd, unix.PERF_EVENT_IOC_SET_FILTER, unsafe.Pointer(text))
			}
			if err != nil {
				return nil, classify(fmt.Errorf("filtering a tracepoint by %q: %w", f.filter, err))
			}
		}
		if i > 0 {
			if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_OUTPUT, r.fds[0]); err != nil {
				return nil, fmt.Errorf("sharing the buffer of cpu %d: %w", cpu, err)
			}
			continue
		}
		r.mem, err = unix.Mmap(fd, 0, os.Getpagesize()+bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, classify(fmt.Errorf("mapping a buffer of %d bytes for cpu %d: %w", bytes, cpu, os.NewSyscallError("mmap", err)))
		}
		r.meta = (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.mem[0]))
		r.data = r.mem[os.Getpagesize():]
	}
	return r, nil
}

func ioctlPtr(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return os.NewSyscallError("perf_event_ioctl", errno)
	}
	return nil
}

// enable starts recording.
func (r *ring) enable() error {
	for _, fd := range r.fds {
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
			return classify(os.NewSyscallError("perf_event_ioctl", err))
		}
	}
	return nil
}

// drain hands on each record that was written so far: its type and what
// follows its header.
func (r *ring) drain(record func(kind uint32, body []byte)) error {
	head := atomic.LoadUint64(&r.meta.Data_head) // what is before it has been written
	tail := r.meta.Data_tail
	size := uint64(len(r.data))
	for tail < head {
		header := r.bytes(tail, 8) // records are aligned to 8 bytes
		kind := binary.NativeEndian.Uint32(header)
		length := uint64(binary.NativeEndian.Uint16(header[6:]))
		if length < 8 || length > size || tail+length > head {
			return fmt.Errorf("a record of %d bytes at %d of %d", length, tail, head)
		}
		record(kind, r.bytes(tail, length)[8:])
		tail += length
	}
	atomic.StoreUint64(&r.meta.Data_tail, tail) // it may be written over now
	return nil
}

// bytes returns n bytes of the data from a position on. They are valid until
// the next call.
func (r *ring) bytes(from, n uint64) []byte {
	at := from % uint64(len(r.data))
	if at+n <= uint64(len(r.data)) {
		return r.data[at : at+n]
	}
	r.buf = append(append(r.buf[:0], r.data[at:]...), r.data[:at+n-uint64(len(r.data))]...)
	return r.buf
}

func (r *ring) close() {
	if r.mem != nil {
		unix.Munmap(r.mem)
	}
	for _, fd := range r.fds {
		unix.Close(fd)
	}
}
