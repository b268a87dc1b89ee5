package taskscan

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"zombench/measure"
	"zombench/measure/bpf"
)

// A Counter lists all threads, by their numbers in the pid namespace of the reader and
// their users in the initial user namespace. It is not for use by several goroutines
// at once.
type Counter struct {
	iter *bpf.Iterator
	buf  []byte
}

// NewCounter loads the iterator, as New does.
func NewCounter() (*Counter, error) { return loaded(NewCounterWith) }

// NewCounterWith is NewCounter with types that were loaded before.
func NewCounterWith(types *bpf.Types) (*Counter, error) {
	iter, _, err := iterate(types, "zb_count", countProgram)
	if err != nil {
		return nil, err
	}
	return &Counter{iter, make([]byte, 32<<10)}, nil
}

// Close unloads the iterator.
func (c *Counter) Close() { c.iter.Close() }

// Count calls each for every thread.
func (c *Counter) Count(each func(measure.Task)) error {
	r, err := c.iter.Open()
	if err != nil {
		return fmt.Errorf("counting tasks: %w", err)
	}
	defer r.Close()
	return records(r, c.buf, takenSize, func(b []byte) {
		u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
		each(measure.Task{TID: int(u32(takenTID)), Group: int(u32(takenGroup)), Session: int(u32(takenSession)), UID: uint64(u32(takenUID))})
	})
}

const (
	takenTID     = 0
	takenGroup   = 4
	takenSession = 8
	takenUID     = 12
	takenSize    = 16
)

// countProgram writes a record of each thread.
func countProgram(types *bpf.Types, level uint32) asm.Instructions {
	const base, task = -takenSize, asm.R7
	p := slices.Concat(
		types.EachTask(task, asm.R6, asm.R8),
		asm.Instructions{
			asm.Mov.Imm(asm.R1, 0),
			asm.StoreMem(asm.RFP, base, asm.R1, asm.DWord), asm.StoreMem(asm.RFP, base+8, asm.R1, asm.DWord),
			types.LoadMember(asm.R1, task, "task_struct.real_cred"),
			asm.JEq.Imm(asm.R1, 0, "end"),
			types.LoadMember(asm.R1, asm.R1, "cred.uid.val"),
			asm.StoreMem(asm.RFP, base+takenUID, asm.R1, asm.Word),
			types.LoadMember(asm.R3, task, "task_struct.thread_pid"),
		},
		types.LoadNumber(level, base+takenTID, "tid"),
		asm.Instructions{
			types.LoadMember(asm.R8, task, "task_struct.signal"),
			asm.JEq.Imm(asm.R8, 0, "write"),
		})
	pids, pointer := types.Member("signal_struct.pids")
	for _, kind := range []struct {
		name string
		at   int16
	}{{"PIDTYPE_PGID", takenGroup}, {"PIDTYPE_SID", takenSession}} {
		i, _ := types.Constant("pid_type", kind.name)
		p = append(p, asm.LoadMem(asm.R3, asm.R8, int16(int(pids)+int(i)*pointer.Sizeof()), pointer))
		p = append(p, types.LoadNumber(level, base+kind.at, kind.name)...)
	}
	return slices.Concat(p, asm.Instructions{asm.Mov.Imm(asm.R1, 0).WithSymbol("write")}, bpf.SeqWrite(asm.R6, base, takenSize), bpf.End())
}
