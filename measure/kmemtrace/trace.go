package kmemtrace

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

const (
	ringBytes = 4 << 20              // of each CPU; a power of two of pages
	drainEach = 2 * time.Millisecond // so that it does not fill up
	maxEvents = 16 << 20             // of a trace; more and the system is too busy for one
)

// ErrLost means that the system allocated faster than could be recorded: what
// was recorded has gaps and is worth nothing.
var ErrLost = errors.New("events were lost: the system is too busy to trace")

// A Trace records from Start until it is closed. Its methods are not for use
// by several goroutines at once.
type Trace struct {
	rings []*ring
	byID  map[uint16]*format
	stop  chan struct{}
	done  chan struct{}

	mu     sync.Mutex // of what follows
	events []Event
	names  map[int32]string // of tasks that were given one meanwhile, by tid
	err    error
}

// Start begins to record. ErrNotSupported if this kernel has no such
// tracepoints, ErrNotPermitted without CAP_PERFMON and CAP_SYS_ADMIN.
func Start(host measure.FS) (*Trace, error) { return StartOnly(host, Only{}) }

// Only says which events are wanted: the kernel leaves out the rest, which then
// costs next to nothing.
type Only struct {
	By []Range  // what these functions allocate
	Of []string // what is freed of these slab caches; nothing before Linux 5.12
}

// StartOnly is Start for some of the events. Forks are recorded all the same.
func StartOnly(host measure.FS, only Only) (*Trace, error) {
	t := &Trace{byID: make(map[uint16]*format), names: make(map[int32]string), stop: make(chan struct{}), done: make(chan struct{})}
	if err := t.open(host, only); err != nil {
		t.release()
		return nil, fmt.Errorf("tracing slab objects: %w", err)
	}
	go t.collect()
	return t, nil
}

func (t *Trace) open(host measure.FS, only Only) error {
	formats, err := formatsOf(host)
	if err != nil {
		return err
	}
	formats = only.of(formats)
	cpus, err := host.OnlineCPUs()
	if err != nil {
		return err
	}
	for i := range formats {
		t.byID[uint16(formats[i].id)] = &formats[i]
	}
	for _, cpu := range cpus {
		r, err := openRing(cpu, formats, ringBytes)
		if err != nil {
			return err
		}
		t.rings = append(t.rings, r)
	}
	for _, r := range t.rings {
		if err := r.enable(); err != nil {
			return err
		}
	}
	return nil
}

func formatsOf(host measure.FS) ([]format, error) {
	tracefs, unmount, err := openTracefs(host.Sys)
	if err != nil {
		return nil, err
	}
	defer unmount()
	return readFormats(tracefs)
}

// collect empties the rings again and again until Close.
func (t *Trace) collect() {
	defer close(t.done)
	tick := time.NewTicker(drainEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.mu.Lock()
			t.drain()
			t.mu.Unlock()
		case <-t.stop:
			return
		}
	}
}

// Take returns what happened since Start or the last Take, in order of time.
func (t *Trace) Take() ([]Event, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	events := t.events
	t.events = nil
	if t.err != nil {
		return nil, fmt.Errorf("tracing slab objects: %w", t.err)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })
	return events, nil
}

// Close ends the recording.
func (t *Trace) Close() {
	close(t.stop)
	<-t.done
	t.release()
}

func (t *Trace) release() {
	for _, r := range t.rings {
		r.close()
	}
}

// drain empties all rings. t.mu is held.
func (t *Trace) drain() {
	for _, r := range t.rings {
		err := r.drain(t.record)
		if err == nil && len(t.events) > maxEvents {
			err = ErrLost
		}
		if t.err == nil {
			t.err = err
		}
	}
	if t.err != nil {
		t.events = t.events[:0]
	}
}

// record takes one record of a ring.
func (t *Trace) record(kind uint32, body []byte) {
	switch kind {
	case unix.PERF_RECORD_LOST, unix.PERF_RECORD_LOST_SAMPLES:
		if t.err == nil {
			t.err = ErrLost
		}
	case unix.PERF_RECORD_FORK:
		if e, ok := decodeFork(body); ok {
			t.events = append(t.events, e)
			if name, ok := t.names[e.Task]; ok {
				t.names[e.Child] = name
			} else {
				delete(t.names, e.Child) // another task had its number
			}
		}
	case unix.PERF_RECORD_COMM:
		if tid, name, ok := decodeComm(body); ok {
			t.names[tid] = name
		}
	case unix.PERF_RECORD_SAMPLE:
		e, ok := t.decodeSample(body)
		if ok {
			t.events = append(t.events, e)
		} else if t.err == nil {
			t.err = fmt.Errorf("%w: a record that is cut short", measure.ErrMalformed)
		}
	}
}

// decodeFork decodes struct { u32 pid, ppid, tid, ptid; u64 time; }.
func decodeFork(b []byte) (Event, bool) {
	if len(b) < 24 {
		return Event{}, false
	}
	u32 := binary.NativeEndian.Uint32
	return Event{Kind: Fork, Process: int32(u32(b[4:])), Child: int32(u32(b[8:])), Task: int32(u32(b[12:])), Time: binary.NativeEndian.Uint64(b[16:])}, true
}

// decodeComm decodes struct { u32 pid, tid; char comm[]; }.
func decodeComm(b []byte) (tid int32, name string, ok bool) {
	if len(b) < 9 {
		return 0, "", false
	}
	text, _, _ := bytes.Cut(b[8:], []byte{0})
	return int32(binary.NativeEndian.Uint32(b[4:])), string(text), true
}

// Name returns the name of a task (comm of proc_pid_comm(5)) that has changed it
// since Start, such as by execve; "" if it has not.
func (t *Trace) Name(tid int32) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[tid]
}

// decodeSample decodes struct { u32 pid, tid; u64 time; u32 size; char
// data[size]; }, where the data begin with the tracepoint's id.
func (t *Trace) decodeSample(b []byte) (e Event, ok bool) {
	if len(b) < 22 {
		return e, false
	}
	e.Process = int32(binary.NativeEndian.Uint32(b))
	e.Task = int32(binary.NativeEndian.Uint32(b[4:]))
	e.Time = binary.NativeEndian.Uint64(b[8:])
	size := int(binary.NativeEndian.Uint32(b[16:]))
	if size < 2 || 20+size > len(b) {
		return e, false
	}
	data := b[20 : 20+size]
	f := t.byID[binary.NativeEndian.Uint16(data)]
	if f == nil {
		return e, false
	}
	return e, f.decode(data, &e)
}

// Available reports why nothing can be traced here, as Start would: nil if it
// can.
func Available(host measure.FS) error {
	if _, err := formatsOf(host); err != nil {
		return fmt.Errorf("tracing slab objects: %w", err)
	}
	return nil
}
