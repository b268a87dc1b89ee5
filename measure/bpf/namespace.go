package bpf

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cilium/ebpf/asm"

	"zombench/measure"
)

// NamespaceLevel returns how many pid namespaces are above that of this process.
func (t *Types) NamespaceLevel() (uint32, error) {
	if measure.Host().InitialPIDNamespace() {
		return 0, nil
	}
	// Only the kernel's own struct tells: from inside, the outermost namespace
	// that can be seen looks like the initial one.
	currentPid, _ := t.Member("task_struct.thread_pid")
	level, _ := t.Member("pid.level")
	const word = -8
	iter, err := t.NewIterator("zb_level", "task", asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord), // the task
		asm.JEq.Imm(asm.R7, 0, "end"),
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), // the iterator
		asm.LoadMem(asm.R7, asm.R6, 16, asm.DWord),
		asm.JNE.Imm(asm.R7, 0, "end"), // once
		asm.LoadMem(asm.R6, asm.R6, 0, asm.DWord),
		asm.FnGetCurrentTask.Call(),
		asm.Mov.Reg(asm.R3, asm.R0),
		asm.Add.Imm(asm.R3, int32(currentPid)),
		asm.Mov.Imm(asm.R2, 8),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, word),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R3, asm.RFP, word, asm.DWord),
		asm.Add.Imm(asm.R3, int32(level)),
		asm.Mov.Imm(asm.R2, 4),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, word),
		asm.FnProbeReadKernel.Call(),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, word),
		asm.Mov.Imm(asm.R3, 4),
		asm.FnSeqWrite.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	})
	if err != nil {
		return 0, err
	}
	defer iter.Close()
	r, err := iter.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("reading the level of the pid namespace: %w", err)
	}
	return binary.NativeEndian.Uint32(b[:]), nil
}

// LoadPID stores the number of the process whose main thread is in task, as the
// pid namespace of a level sees it, in the 4 bytes at offset of the stack; 0 if
// it is outside of that namespace. It uses R0 to R5; label is a prefix for its
// jumps.
func (t *Types) LoadPID(level uint32, task asm.Register, offset int16, label string) asm.Instructions {
	if level == 0 {
		return asm.Instructions{
			t.LoadMember(asm.R1, task, "task_struct.tgid"),
			asm.StoreMem(asm.RFP, offset, asm.R1, asm.Word),
		}
	}
	return append(asm.Instructions{t.LoadMember(asm.R3, task, "task_struct.thread_pid")}, t.LoadNumber(level, offset, label)...)
}

// LoadNumber stores the number that the struct pid in R3 has in the pid namespace of
// a level, as LoadPID does; 0 if R3 is.
func (t *Types) LoadNumber(level uint32, offset int16, label string) asm.Instructions {
	numbers, _ := t.Member("pid.numbers")
	nr, _ := t.Member("upid.nr")
	return asm.Instructions{
		asm.StoreImm(asm.RFP, offset, 0, asm.Word),
		asm.JEq.Imm(asm.R3, 0, label+"_outside"), // it was reaped
		t.LoadMember(asm.R1, asm.R3, "pid.level"),
		asm.JLT.Imm(asm.R1, int32(level), label+"_outside"),
		asm.Add.Imm(asm.R3, int32(numbers+level*t.StructSize("upid")+nr)),
		asm.Mov.Imm(asm.R2, 4),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, int32(offset)),
		asm.FnProbeReadKernel.Call(),
		asm.Mov.Imm(asm.R1, 0).WithSymbol(label + "_outside"),
	}
}
