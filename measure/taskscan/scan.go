package taskscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/bpf"
)

// A Task is a process: the main thread of a thread group.
type Task struct {
	measure.Process               // as /proc/PID/stat would have it
	Start           time.Duration // after boot, with the time suspended; 0: unknown
	Dead            time.Duration // how long ago it ended, if it has; -1: unknown. Of one that was busy until then it may be too long, by as much as it had run without a break

	// Removed names a zombie's cgroup, by the inode of its directory or by its path,
	// if that was removed, which a zombie does not prevent: it stays in memory until
	// the zombie is reaped. "" if it was not. Of the hierarchy of version 2 or of
	// that with the pids controller.
	Removed string
}

// A Scanner is loaded once and scans often. It is not for use by several
// goroutines at once.
type Scanner struct {
	level uint32
	iter  *bpf.Iterator
	buf   []byte
}

// New loads the iterator: measure.ErrNotSupported before Linux 5.8 and without
// BTF, measure.ErrNotPermitted without CAP_BPF and CAP_PERFMON.
func New() (*Scanner, error) { return loaded(NewWith) }

// loaded makes something with the kernel's types, which are loaded for it alone.
func loaded[T any](make func(*bpf.Types) (*T, error)) (*T, error) {
	types, err := bpf.Load(measure.Host())
	if err != nil {
		return nil, fmt.Errorf("preparing a task iterator: %w", err)
	}
	defer types.Close()
	return make(types)
}

// NewWith is New with types that were loaded before.
func NewWith(types *bpf.Types) (*Scanner, error) {
	iter, level, err := iterate(types, "zb_scan", scanProgram)
	if err != nil {
		return nil, err
	}
	return &Scanner{level, iter, make([]byte, 32<<10/recordSize*recordSize)}, nil
}

// iterate loads an iterator for the level of the reader's pid namespace.
func iterate(types *bpf.Types, name string, program func(*bpf.Types, uint32) asm.Instructions) (iter *bpf.Iterator, level uint32, err error) {
	if level, err = types.NamespaceLevel(); err == nil {
		iter, err = types.NewIterator(name, "task", program(types, level))
	}
	if err != nil {
		err = fmt.Errorf("preparing a task iterator: %w", err)
	}
	return iter, level, err
}

// Level returns how many pid namespaces are above the reader's.
func (s *Scanner) Level() uint32 { return s.level }

// Close unloads the iterator.
func (s *Scanner) Close() { s.iter.Close() }

// Scan calls each for every process, ascending by pid. The Task is overwritten
// by the next.
func (s *Scanner) Scan(each func(*Task)) error {
	// The scheduler's clock, by which the kernel knows when a task last ran, is
	// read off this thread itself: it has run since just now.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := s.iter.Open()
	if err != nil {
		return fmt.Errorf("scanning tasks: %w", err)
	}
	defer r.Close()
	nap := unix.NsecToTimespec(int64(50 * time.Microsecond))
	_ = unix.Nanosleep(&nap, nil) // cut short it does as well

	var now uint64
	first := true
	var t Task
	err = records(r, s.buf, recordSize, func(b []byte) {
		left := t.decode(b)
		if first {
			now, first = left, false
			return
		}
		if left != 0 && now != 0 {
			t.Dead = time.Duration(max(0, int64(now-left)))
		}
		each(&t)
	})
	if err == nil && first {
		err = fmt.Errorf("scanning tasks: %w: the first record is missing", measure.ErrMalformed)
	}
	return err
}

// records calls each for every record of a size that an iterator writes.
func records(r io.Reader, buf []byte, size int, each func([]byte)) error {
	for fill := 0; ; {
		n, err := r.Read(buf[fill:])
		fill += n
		whole := fill / size * size
		for at := 0; at < whole; at += size {
			each(buf[at:])
		}
		fill = copy(buf, buf[whole:fill])
		switch {
		case errors.Is(err, io.EOF):
			if fill != 0 {
				return fmt.Errorf("scanning tasks: %w: it ends in mid-record", measure.ErrMalformed)
			}
			return nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR): // it has run for long: go on
		case err != nil:
			return fmt.Errorf("scanning tasks: %w", err)
		}
	}
}

// What the program writes of a process. The first record is of the reading thread.
// What a scan takes is above all the waiting for memory, so of a zombie no more is read
// than is told of it.
const (
	offPID     = 0
	offPPid    = 4
	offStart   = 8  // 8 bytes: nanoseconds after boot
	offLeft    = 16 // 8 bytes: when it last left a CPU, by the clock of the scheduler, nanoseconds; 0: unknown, or it lives
	offState   = 24 // with the exit state, whose bits are others
	offThreads = 28
	offRemoved = 32 // 8 bytes: number of the cgroup
	recordSize = 40
)

// decode reads a record, and returns when the task last left a CPU.
func (t *Task) decode(b []byte) (left uint64) {
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	start := time.Duration(u64(offStart))
	*t = Task{Start: start, Dead: -1, Process: measure.Process{PID: int(u32(offPID)), PPid: int(u32(offPPid)),
		State: stateLetter(u32(offState)), Threads: int(u32(offThreads)), StartTicks: uint64(start / measure.ClockTick)}}
	if cgroup := u64(offRemoved); cgroup != 0 {
		t.Removed = strconv.FormatUint(cgroup, 10)
	}
	return u64(offLeft)
}

// stateLetter is get_task_state of fs/proc/array.c: the letters are those of
// the highest bit that is set.
func stateLetter(state uint32) byte {
	const (
		uninterruptible = 0x0002
		noload          = 0x0400
		rtlockWait      = 0x1000
		frozen          = 0x8000
		report          = 0x7f
	)
	if state&(uninterruptible|noload) == uninterruptible|noload {
		return 'I'
	}
	if state&(rtlockWait|frozen) != 0 {
		state = uninterruptible
	}
	return "RSDTtXZP"[bits.Len32(state&report)]
}

// scanProgram writes a record of the reading thread and then of each process.
func scanProgram(types *bpf.Types, level uint32) asm.Instructions {
	const (
		base = -recordSize // of the record, on the stack
		task = asm.R7
		seq  = asm.R6
	)
	state := "task_struct.__state" // Linux 5.14
	if !types.Has(state) {
		state = "task_struct.state"
	}
	write := bpf.SeqWrite(seq, base, recordSize)
	p := append(types.EachTask(task, seq, asm.R8), asm.Mov.Imm(asm.R1, 0))
	for at := int16(0); at < recordSize; at += 8 {
		p = append(p, asm.StoreMem(asm.RFP, base+at, asm.R1, asm.DWord))
	}
	hasClock := types.Has("task_struct.sched_info.last_arrival")
	p = append(p,
		types.LoadMember(asm.R1, asm.R8, "bpf_iter_meta.seq_num"),
		asm.JNE.Imm(asm.R1, 0, "task"))
	if hasClock {
		arrival, _ := types.Member("task_struct.sched_info.last_arrival")
		p = append(p, asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R3, asm.R0))
		p = append(p, bpf.ReadKernel(base+offLeft, arrival, 8)...)
	}
	p = append(p, write...)
	p = append(p,
		types.LoadMember(asm.R1, task, "task_struct.pid").WithSymbol("task"),
		types.LoadMember(asm.R2, task, "task_struct.tgid"),
		asm.JNE.Reg(asm.R1, asm.R2, "end"), // a thread
	)
	p = append(p, types.LoadPID(level, task, base+offPID, "pid")...)
	p = append(p,
		types.LoadMember(asm.R8, task, "task_struct.real_parent"),
		asm.JEq.Imm(asm.R8, 0, "no_parent"),
		types.LoadMember(asm.R8, asm.R8, "task_struct.group_leader"),
		asm.JEq.Imm(asm.R8, 0, "no_parent"),
	)
	p = append(p, types.LoadPID(level, asm.R8, base+offPPid, "ppid")...)
	p = append(p,
		types.LoadMember(asm.R1, task, "task_struct.start_boottime").WithSymbol("no_parent"),
		asm.StoreMem(asm.RFP, base+offStart, asm.R1, asm.DWord),
		types.LoadMember(asm.R1, task, state),
		types.LoadMember(asm.R2, task, "task_struct.exit_state"),
		asm.Or.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.RFP, base+offState, asm.R1, asm.Word),
		asm.JEq.Imm(asm.R2, 0, "threads"), // it lives
	)
	if hasClock {
		p = append(p,
			types.LoadMember(asm.R1, task, "task_struct.se.sum_exec_runtime"),
			types.LoadMember(asm.R2, task, "task_struct.se.prev_sum_exec_runtime"),
			asm.Sub.Reg(asm.R1, asm.R2), // how long it has run since it last came on a CPU
			types.LoadMember(asm.R2, task, "task_struct.sched_info.last_arrival"),
			asm.JEq.Imm(asm.R2, 0, "never"),
			asm.Add.Reg(asm.R1, asm.R2),
			asm.StoreMem(asm.RFP, base+offLeft, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R1, 0).WithSymbol("never"))
	}
	p = append(p, removedCgroup(types, task, base+offRemoved)...)
	p = append(p,
		// Alone in the list of its process's threads: no need to look there.
		asm.Mov.Imm(asm.R3, 1),
		types.LoadMember(asm.R1, task, "task_struct.thread_node.next"),
		types.LoadMember(asm.R2, task, "task_struct.thread_node.prev"),
		asm.JEq.Reg(asm.R1, asm.R2, "write"),
		asm.Mov.Imm(asm.R3, 0).WithSymbol("threads"),
		types.LoadMember(asm.R8, task, "task_struct.signal"),
		asm.JEq.Imm(asm.R8, 0, "write"),
		types.LoadMember(asm.R3, asm.R8, "signal_struct.nr_threads"),
		asm.StoreMem(asm.RFP, base+offThreads, asm.R3, asm.Word).WithSymbol("write"))
	return slices.Concat(p, write, bpf.End())
}

// removedCgroup stores the number of a cgroup of the task at an offset of the
// stack, if it was removed: its state is no longer online
// (include/linux/cgroup-defs.h). Kernels without cgroups store nothing.
func removedCgroup(types *bpf.Types, task asm.Register, offset int16) asm.Instructions {
	const online = 1 << 1 // CSS_ONLINE, since Linux 3.12; its enum has no name
	if !types.Has("css_set.dfl_cgrp") || !types.Has("cgroup.self.flags") || !types.Has("kernfs_node.id") {
		return nil
	}
	p := asm.Instructions{
		types.LoadMember(asm.R9, task, "task_struct.cgroups"),
		asm.JEq.Imm(asm.R9, 0, "cgroup_done"),
		types.LoadMember(asm.R8, asm.R9, "css_set.dfl_cgrp"),
		asm.JEq.Imm(asm.R8, 0, "cgroup_pids"),
		types.LoadMember(asm.R1, asm.R8, "cgroup.self.flags"),
		asm.And.Imm(asm.R1, online),
		asm.JEq.Imm(asm.R1, 0, "cgroup_removed"),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("cgroup_pids"),
	}
	if id, ok := types.Constant("cgroup_subsys_id", "pids_cgrp_id"); ok {
		subsys, _ := types.Member("css_set.subsys")
		_, pointer := types.Member("css_set.dfl_cgrp")
		p = append(p,
			asm.LoadMem(asm.R8, asm.R9, int16(int(subsys)+int(id)*pointer.Sizeof()), pointer),
			asm.JEq.Imm(asm.R8, 0, "cgroup_done"),
			types.LoadMember(asm.R1, asm.R8, "cgroup_subsys_state.flags"),
			asm.And.Imm(asm.R1, online),
			asm.JNE.Imm(asm.R1, 0, "cgroup_done"),
			types.LoadMember(asm.R8, asm.R8, "cgroup_subsys_state.cgroup"),
			asm.JNE.Imm(asm.R8, 0, "cgroup_removed"))
	}
	return append(p,
		asm.Ja.Label("cgroup_done"),
		types.LoadMember(asm.R8, asm.R8, "cgroup.kn").WithSymbol("cgroup_removed"),
		asm.JEq.Imm(asm.R8, 0, "cgroup_done"),
		types.LoadMember(asm.R1, asm.R8, "kernfs_node.id"),
		asm.StoreMem(asm.RFP, offset, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("cgroup_done"))
}
