package taskscan

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"zombench/measure/bpf"
)

// A Taken is what a thread, alive or dead, takes of the limits: it is a task of its
// user, and numbers are taken by it, in the pid namespace of the reader.
type Taken struct {
	TID, Group, Session int
	UID                 uint32 // real, in the initial user namespace
}

// A Counter lists what all threads take. It is not for use by several goroutines
// at once.
type Counter struct {
	iter *bpf.Iterator
	buf  []byte
}

// NewCounter loads the iterator, as New does.
func NewCounter() (*Counter, error) {
	return loaded(func(types *bpf.Types) (*Counter, error) {
		level, err := types.NamespaceLevel()
		if err != nil {
			return nil, err
		}
		return NewCounterWith(types, level)
	})
}

// NewCounterWith is NewCounter with types that were loaded before, and the level of
// the reader's pid namespace.
func NewCounterWith(types *bpf.Types, level uint32) (*Counter, error) {
	iter, err := types.NewIterator("zb_count", "task", countProgram(types, level))
	if err != nil {
		return nil, fmt.Errorf("preparing a task iterator: %w", err)
	}
	return &Counter{iter, make([]byte, 32<<10)}, nil
}

// Close unloads the iterator.
func (c *Counter) Close() { c.iter.Close() }

// Count calls each for every thread.
func (c *Counter) Count(each func(Taken)) error {
	r, err := c.iter.Open()
	if err != nil {
		return fmt.Errorf("counting tasks: %w", err)
	}
	defer r.Close()
	return records(r, c.buf, takenSize, func(b []byte) {
		u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
		each(Taken{int(u32(takenTID)), int(u32(takenGroup)), int(u32(takenSession)), u32(takenUID)})
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
